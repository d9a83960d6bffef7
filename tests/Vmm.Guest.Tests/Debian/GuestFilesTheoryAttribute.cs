namespace Vmm.Guest.Tests.Debian;

/// <summary>As <see cref="GuestFilesFactAttribute"/>, with rows.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class GuestFilesTheoryAttribute : TheoryAttribute
{
    public GuestFilesTheoryAttribute() => Skip = GuestFilesFactAttribute.Missing;
}
