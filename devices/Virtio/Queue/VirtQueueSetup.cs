namespace Vmm.Devices.Virtio.Queue;

/// <summary>What the driver has written of a queue.</summary>
internal struct VirtQueueSetup
{
    public ushort Size;
    public ulong Descriptors;
    public ulong Available;
    public ulong Used;
    public bool IsEnabled;

    /// <summary>The driver asks for this queue's reset, and chains are still out.</summary>
    public bool IsResetting;
}
