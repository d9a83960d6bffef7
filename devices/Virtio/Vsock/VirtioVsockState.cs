namespace Vmm.Devices.Virtio.Vsock;

/// <summary>State of a <see cref="VirtioVsock"/>; the transport keeps that of the queues. Connections are not moved: the guest is told that they broke.</summary>
public sealed record VirtioVsockState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>The host's port in the next connection that a host peer asks for.</summary>
    public uint NextPort { get; init; }
}
