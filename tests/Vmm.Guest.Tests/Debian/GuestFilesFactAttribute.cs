using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>A test that needs the published executable and the guest files; skipped with a reason where they are missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class GuestFilesFactAttribute : FactAttribute
{
    public GuestFilesFactAttribute() => Skip = Missing;

    /// <summary>Why such tests cannot run; null when they can.</summary>
    public static string? Missing
    {
        get
        {
            string[] needed = [Repository.Vmm, Repository.Guest("vmlinuz"), Repository.Guest("vmlinux"), Repository.Guest("initrd.img")];
            string? missing = needed.FirstOrDefault(f => !File.Exists(f));
            return missing is null ? null : $"{Path.GetRelativePath(Repository.Root, missing)} is missing: run examples/build.sh and examples/guests.sh";
        }
    }
}
