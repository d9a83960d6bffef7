using System.Reflection;
using Vmm.TestKit;
using Xunit.Sdk;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>A row of a theory that runs on KVM: its name comes first, then the values. Skipped, with the reason, where KVM cannot.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class OnKvmAttribute : DataAttribute
{
    private readonly object[] _values;
    private bool _native;

    public OnKvmAttribute(params object[] values)
    {
        _values = values;
        Skip = KvmAvailability.SkipReason;
    }

    /// <summary>The guest uses what a paravirtual KVM's emulator of ring 0 cannot do (legacy paging, interrupts of 32-bit code, INT n from ring 3, …).</summary>
    public bool Native
    {
        get => _native;
        set
        {
            _native = value;
            if (value) Skip = Accelerators.NeedsNativeKvm;
        }
    }

    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => [[Accelerators.Kvm, .. _values]];
}
