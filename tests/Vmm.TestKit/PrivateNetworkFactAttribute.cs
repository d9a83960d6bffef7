using Xunit;

namespace Vmm.TestKit;

/// <summary>A test that needs a network namespace and TAP devices.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PrivateNetworkFactAttribute : FactAttribute
{
    /// <summary>Skips the test where there can be none.</summary>
    public PrivateNetworkFactAttribute() => Skip = PrivateNetwork.WhyNot;
}
