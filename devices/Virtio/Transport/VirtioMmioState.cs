namespace Vmm.Devices.Virtio.Transport;

/// <summary>State of a <see cref="VirtioMmioTransport"/>.</summary>
public sealed record VirtioMmioState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;
    public uint DeviceFeaturesSel { get; init; }
    public uint DriverFeaturesSel { get; init; }
    public uint QueueSel { get; init; }
    public int InterruptStatus { get; init; }
    public VirtioCoreState Core { get; init; } = new();
}
