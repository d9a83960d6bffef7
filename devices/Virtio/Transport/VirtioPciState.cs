namespace Vmm.Devices.Virtio.Transport;

/// <summary>State of a <see cref="VirtioPciTransport"/>; its function and its MSI-X table have their own.</summary>
public sealed record VirtioPciState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public uint DeviceFeatureSelect { get; init; }
    public uint DriverFeatureSelect { get; init; }
    public ushort QueueSelect { get; init; }
    public ushort ConfigVector { get; init; }
    public ushort[] QueueVectors { get; init; } = [];
    public int Isr { get; init; }

    /// <summary>BAR, offset and length of the window in configuration space.</summary>
    public byte[] ConfigAccess { get; init; } = [];

    public VirtioCoreState Core { get; init; } = new();
}
