namespace Vmm.Kvm;

/// <summary>One capability of this host's KVM.</summary>
/// <param name="Name">KVM's name without the prefix KVM_CAP_.</param>
/// <param name="Value">What KVM_CHECK_EXTENSION says; 0 is missing.</param>
/// <param name="IsNeeded">True when no guest runs without it.</param>
/// <param name="NeededFor">What it is used for.</param>
/// <param name="Consequence">What follows when it is missing.</param>
public sealed record KvmCapabilityReport(string Name, int Value, bool IsNeeded, string NeededFor, string Consequence)
{
    /// <summary>True when the host has it.</summary>
    public bool IsPresent => Value != 0;
}
