using Xunit;

namespace Vmm.TestKit;

/// <summary>A theory that needs KVM; skipped, and counted as skipped, where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KvmTheoryAttribute : TheoryAttribute
{
    public KvmTheoryAttribute() => Skip = KvmAvailability.SkipReason;
}
