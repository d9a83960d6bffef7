namespace Vmm.Devices.Chipset;

/// <summary>State of a <see cref="FwCfg"/>. The items belong to the machine's configuration.</summary>
public sealed record FwCfgState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public ushort Key { get; init; }

    /// <summary>Bytes of the item read so far.</summary>
    public int Position { get; init; }

    /// <summary>The upper half of the DMA address.</summary>
    public uint DmaHigh { get; init; }
}
