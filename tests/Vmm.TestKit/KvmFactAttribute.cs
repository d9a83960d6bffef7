using Xunit;

namespace Vmm.TestKit;

/// <summary>A fact that needs KVM; skipped, and counted as skipped, where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KvmFactAttribute : FactAttribute
{
    public KvmFactAttribute() => Skip = KvmAvailability.SkipReason;
}
