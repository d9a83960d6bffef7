namespace Vmm.Devices.Pci;

/// <summary>State of an <see cref="MsixTable"/>: one element for each vector.</summary>
public sealed record MsixState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public ushort Control { get; init; }
    public ulong[] Addresses { get; init; } = [];
    public uint[] Data { get; init; } = [];
    public bool[] Masked { get; init; } = [];
    public bool[] Pending { get; init; } = [];
}
