using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>A test that needs the Debian root file system as well; skipped with a reason where it is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class DebianSystemFactAttribute : FactAttribute
{
    public DebianSystemFactAttribute()
    {
        string[] needed = ["debian.qcow2", "debian.initrd.img"];
        bool isThere = needed.All(f => File.Exists(Repository.Guest(f)));
        Skip = GuestFilesFactAttribute.Missing ?? (isThere ? null : "out/guests/debian.qcow2 is missing: run examples/guests.sh --debian");
    }
}
