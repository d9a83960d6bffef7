using Vmm.Core.Backends;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.Rng;

/// <summary>The entropy device (virtio 1.2 §5.4): fills what the driver offers with random bytes. It has no state of its own.</summary>
public sealed class VirtioRng : IVirtioDevice, IDisposable
{
    private const ushort EntropyDevice = 4;
    private const uint OtherDevice = 0xff0000;
    private const ushort QueueSize = 64;
    private const int PieceBytes = 256;

    // More is not filled at once: the used length says how much was.
    private const uint MaxRequestBytes = 64 << 10;

    private static readonly ushort[] Sizes = [QueueSize];

    private readonly IEntropySource _source;
    private readonly IWorker _worker;
    private VirtQueue? _queue;
    private VirtChain? _chain;

    // Counted by the worker alone; read by anyone.
    private ulong _requests, _bytes;

    /// <param name="source">Where the bytes come from.</param>
    /// <param name="workers">Who does the work.</param>
    public VirtioRng(IEntropySource source, IWorkers workers)
    {
        _source = source;
        _worker = workers.Create(Name, Serve);
    }

    /// <inheritdoc/>
    public string Name => "virtio-rng";

    /// <inheritdoc/>
    public ushort DeviceId => EntropyDevice;

    /// <inheritdoc/>
    public uint PciClass => OtherDevice;

    /// <inheritdoc/>
    public ulong OfferedFeatures => VirtioFeatures.VIRTIO_F_IN_ORDER;

    /// <inheritdoc/>
    public ReadOnlySpan<ushort> QueueSizes => Sizes;

    /// <inheritdoc/>
    public uint ConfigBytes => 0;

    /// <summary>What it has done.</summary>
    public VirtioRngStatistics Statistics => new(Volatile.Read(ref _requests), Volatile.Read(ref _bytes));

    /// <inheritdoc/>
    public void ReadConfig(uint offset, Span<byte> data) => data.Clear();

    /// <inheritdoc/>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> data) { }

    /// <inheritdoc/>
    public void Activate(VirtioActivation activation)
    {
        Volatile.Write(ref _queue, activation.Queues[0]);
        _worker.Wake();
    }

    /// <inheritdoc/>
    public void OnKick(int queue) => _worker.Wake();

    /// <inheritdoc/>
    public int KickDescriptor(int queue) => _worker.WakeDescriptor;

    /// <inheritdoc/>
    public void Reset() { }

    /// <inheritdoc/>
    public void Dispose() => _worker.Dispose();

    private void Serve()
    {
        if (Volatile.Read(ref _queue) is not { } queue) return;
        VirtChain chain = _chain ??= queue.NewChain();
        for (int served = 0; served < QueueSize; served++)
        {
            if (!queue.TryPop(chain)) return;
            uint filled = Fill(chain);
            Volatile.Write(ref _requests, _requests + 1);
            Volatile.Write(ref _bytes, _bytes + filled);
            queue.Push(chain, filled);
            queue.Signal();
        }

        // There may be more; others of this thread come first.
        _worker.Wake();
    }

    private uint Fill(VirtChain chain)
    {
        uint wanted = (uint)Math.Min(chain.WritableBytes, MaxRequestBytes);
        Span<byte> bytes = stackalloc byte[PieceBytes];
        for (uint done = 0; done < wanted;)
        {
            Span<byte> piece = bytes[..(int)Math.Min(PieceBytes, wanted - done)];
            _source.Fill(piece);
            if (!chain.TryWrite(done, piece)) return done;
            done += (uint)piece.Length;
        }

        return wanted;
    }
}
