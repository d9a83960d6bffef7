using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>A test that needs the guest of tests/share/guest.sh; skipped with a reason where it is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ShareGuestFactAttribute : FactAttribute
{
    public ShareGuestFactAttribute()
    {
        bool isThere = File.Exists(Repository.Guest("share/vmlinuz")) && File.Exists(Repository.Guest("share/initrd.img")) && File.Exists(Repository.Guest("share/talk"));
        Skip = GuestFilesFactAttribute.Missing ?? (isThere ? null : "out/guests/share is missing: run tests/share/guest.sh");
    }
}
