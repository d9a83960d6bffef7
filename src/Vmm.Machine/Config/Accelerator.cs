using System.Text.Json.Serialization;

namespace Vmm.Machine.Config;

/// <summary>Which CPU runs the guest.</summary>
public enum Accelerator
{
    /// <summary>KVM where it is there, permitted and runs the guest's ring 0 natively; the software CPU else.</summary>
    [JsonStringEnumMemberName("auto")]
    Auto,

    /// <summary>Hardware virtualization through /dev/kvm, or an error.</summary>
    [JsonStringEnumMemberName("kvm")]
    Kvm,

    /// <summary>The software CPU; needs nothing of the host.</summary>
    [JsonStringEnumMemberName("software")]
    Software,
}
