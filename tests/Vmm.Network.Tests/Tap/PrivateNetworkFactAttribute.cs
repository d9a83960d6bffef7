namespace Vmm.Network.Tests.Tap;

/// <summary>A test that needs a network namespace and TAP devices.</summary>
internal sealed class PrivateNetworkFactAttribute : FactAttribute
{
    public PrivateNetworkFactAttribute() => Skip = PrivateNetwork.WhyNot;
}
