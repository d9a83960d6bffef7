using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.P9;

/// <summary>A message on its way; used again and again.</summary>
internal sealed class P9Request(VirtQueue queue)
{
    /// <summary>Where it came from.</summary>
    public VirtQueue Queue { get; } = queue;

    public VirtChain Chain { get; } = queue.NewChain();

    /// <summary>The size that the message says of itself.</summary>
    public uint SizeBytes { get; set; }

    public P9Type Type { get; set; }

    public ushort Tag { get; set; }

    /// <summary>Counts up with every message; 0 for none.</summary>
    public ulong Sequence { get; set; }
}
