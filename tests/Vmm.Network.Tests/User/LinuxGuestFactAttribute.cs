namespace Vmm.Network.Tests.User;

/// <summary>A test that needs a network namespace and a TAP: root, and the tools.</summary>
internal sealed class LinuxGuestFactAttribute : FactAttribute
{
    public LinuxGuestFactAttribute() => Skip = LinuxGuest.WhyNot;
}
