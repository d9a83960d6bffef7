namespace Vmm.Devices.Pci;

/// <summary>State of an <see cref="MsiCapability"/>.</summary>
public sealed record MsiState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public ushort Control { get; init; }
    public ulong Address { get; init; }
    public ushort Data { get; init; }
    public uint Mask { get; init; }
    public uint Pending { get; init; }
}
