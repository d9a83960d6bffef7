namespace Vmm.Machine.Snapshot;

/// <summary>What must be known of a saved machine before another one like it can be built.</summary>
internal sealed record SnapshotManifest
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>"kvm" or "software".</summary>
    public required string Cpu { get; init; }

    /// <summary>Ticks of the guest's TSC each second.</summary>
    public ulong TscHz { get; init; }

    /// <summary>Machine time.</summary>
    public long ClockNs { get; init; }

    /// <summary>Wall-clock time, in 100 ns since the year 1.</summary>
    public long UtcTicks { get; init; }

    /// <summary>The paravirtual clock, as the guest reads it.</summary>
    public ulong ParavirtualClockNs { get; init; }

    /// <summary>Starts of the guest so far.</summary>
    public int Boots { get; init; }

    public int Vcpus { get; init; }

    public ulong MemoryBytes { get; init; }

    /// <summary>The devices in the order of their coming.</summary>
    public SavedDevice[] Devices { get; init; } = [];
}
