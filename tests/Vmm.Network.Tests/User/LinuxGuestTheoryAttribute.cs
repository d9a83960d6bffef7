namespace Vmm.Network.Tests.User;

/// <summary>As <see cref="LinuxGuestFactAttribute"/>, with data.</summary>
internal sealed class LinuxGuestTheoryAttribute : TheoryAttribute
{
    public LinuxGuestTheoryAttribute() => Skip = LinuxGuest.WhyNot;
}
