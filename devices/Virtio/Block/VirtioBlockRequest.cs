using Vmm.Core.Backends;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.Block;

/// <summary>A request of the guest from the ring to its status byte. Reused by the server that made it.</summary>
internal sealed class VirtioBlockRequest : BlockRequest
{
    private readonly BlockRequestServer _server;

    public VirtioBlockRequest(BlockRequestServer server, VirtChain chain, int mostVectors) : base(mostVectors) => (_server, Chain) = (server, chain);

    public VirtChain Chain { get; }

    /// <summary>The ring that the chain goes back to.</summary>
    public VirtQueue? Queue { get; set; }

    /// <summary>Virtio's number for what is asked.</summary>
    public uint Type { get; set; }

    /// <summary>Of discard and zeroing: where the next range stands in the readable bytes.</summary>
    public ulong NextRange { get; set; }

    /// <summary>What it changes must be safe before it ends.</summary>
    public bool MustSettle { get; set; }

    /// <inheritdoc/>
    public override void End(BlockResult result) => _server.Ended(this, result);
}
