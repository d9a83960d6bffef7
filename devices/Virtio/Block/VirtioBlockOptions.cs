namespace Vmm.Devices.Virtio.Block;

/// <summary>What a disk shows beside its content.</summary>
public sealed record VirtioBlockOptions
{
    /// <summary>Up to 20 ASCII characters that the guest finds as the serial number.</summary>
    public string Serial { get; init; } = "";

    /// <summary>Request queues, each with a worker: 1 to 64.</summary>
    public int QueueCount { get; init; } = 1;

    /// <summary>Entries of a queue: a power of two from 4 to 1024.</summary>
    public ushort QueueSize { get; init; } = 256;

    /// <summary>The guest can give storage back.</summary>
    public bool HasDiscard { get; init; } = true;

    /// <summary>Every write is safe when it ends; the guest is offered no cache and no flush.</summary>
    public bool IsWriteThrough { get; init; }
}
