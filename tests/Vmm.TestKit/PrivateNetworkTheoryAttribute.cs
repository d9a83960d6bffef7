using Xunit;

namespace Vmm.TestKit;

/// <summary>A test over several cases that needs a network namespace and TAP devices.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PrivateNetworkTheoryAttribute : TheoryAttribute
{
    /// <summary>Skips the test where there can be none.</summary>
    public PrivateNetworkTheoryAttribute() => Skip = PrivateNetwork.WhyNot;
}
