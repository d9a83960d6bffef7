namespace Vmm.Kvm;

/// <summary>The state of a machine's in-kernel chips. Null where a chip is in user space.</summary>
public sealed record KvmMachineState
{
    /// <summary>The only version so far.</summary>
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>Master 8259, as <c>struct kvm_irqchip</c>'s 512 bytes.</summary>
    public byte[]? PicMaster { get; init; }

    /// <summary>Slave 8259.</summary>
    public byte[]? PicSlave { get; init; }

    /// <summary>IOAPIC.</summary>
    public byte[]? IoApic { get; init; }

    /// <summary><c>struct kvm_pit_state2</c>.</summary>
    public byte[]? Pit { get; init; }

    /// <summary>kvmclock in nanoseconds.</summary>
    public ulong ClockNs { get; init; }
}
