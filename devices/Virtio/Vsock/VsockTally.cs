namespace Vmm.Devices.Virtio.Vsock;

/// <summary>Counts; the worker alone writes them.</summary>
internal sealed class VsockTally
{
    public ulong Opened;
    public ulong Refused;
    public ulong BytesToGuest;
    public ulong BytesFromGuest;
    public ulong Dropped;
}
