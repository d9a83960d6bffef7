using Vmm.Devices.Chipset;

namespace Vmm.Machine.Snapshot;

/// <summary>State of the chips that are in the kernel with KVM and in this process with the software CPU: one form for both.</summary>
public sealed record InterruptChipsState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public required I8259PicState Pic { get; init; }
    public required IoApicState IoApic { get; init; }
    public required I8254PitState Pit { get; init; }
}
