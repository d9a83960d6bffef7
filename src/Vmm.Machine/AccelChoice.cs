using Vmm.Machine.Config;

namespace Vmm.Machine;

/// <summary>What "auto" takes.</summary>
/// <param name="Accel">KVM or the software CPU; never "auto".</param>
/// <param name="Why">The reason, without a full stop.</param>
public sealed record AccelChoice(Accelerator Accel, string Why)
{
    /// <summary>One line for the user.</summary>
    public override string ToString() => $"running on {(Accel == Accelerator.Kvm ? "KVM" : "the software CPU")}: {Why}";
}
