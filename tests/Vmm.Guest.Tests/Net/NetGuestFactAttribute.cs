using Vmm.Guest.Tests.Debian;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Net;

/// <summary>A test of a Debian kernel in a network namespace; skipped with a reason where either cannot be had.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class NetGuestFactAttribute : FactAttribute
{
    public NetGuestFactAttribute() => Skip = GuestFilesFactAttribute.Missing ?? PrivateNetwork.WhyNot;
}
