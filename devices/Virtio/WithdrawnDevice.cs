using Vmm.Core.Backends;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio;

/// <summary>
/// Stands where a device was that its host has taken away, until the driver lets go of it: shows what that one showed, fails what the driver
/// asks for, and receives nothing. Without it a driver waits for its last requests for ever.
/// </summary>
/// <remarks>One byte says no for a disk (virtio 1.2 §5.2.6, VIRTIO_BLK_S_IOERR), for pmem and for a network device's commands (§5.1.6.5, VIRTIO_NET_ERR): the last of the reply.</remarks>
public sealed class WithdrawnDevice : IVirtioDevice, IDisposable
{
    private const ushort NetworkDevice = 1, BlockDevice = 2, PmemDevice = 27;
    private const byte Failed = 1;

    // So many are answered before others of the thread come.
    private const int Batch = 64;

    private readonly byte[] _config;
    private readonly ushort[] _queueSizes;
    private readonly IWorker _worker;
    private readonly VirtChain?[] _chains;
    private VirtioActivation? _activation;

    /// <param name="device">The one that goes; not used any more afterwards.</param>
    /// <param name="workers">Who does the work.</param>
    public WithdrawnDevice(IVirtioDevice device, IWorkers workers)
    {
        (Name, DeviceId, PciClass, OfferedFeatures) = (device.Name, device.DeviceId, device.PciClass, device.OfferedFeatures);
        _queueSizes = device.QueueSizes.ToArray();
        _chains = new VirtChain?[_queueSizes.Length];
        _config = new byte[device.ConfigBytes];
        device.ReadConfig(0, _config);
        _worker = workers.Create($"{Name} withdrawn", Serve);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public ushort DeviceId { get; }

    /// <inheritdoc/>
    public uint PciClass { get; }

    /// <inheritdoc/>
    public ulong OfferedFeatures { get; }

    /// <inheritdoc/>
    public ReadOnlySpan<ushort> QueueSizes => _queueSizes;

    /// <inheritdoc/>
    public uint ConfigBytes => (uint)_config.Length;

    /// <inheritdoc/>
    public void ReadConfig(uint offset, Span<byte> data) => _config.AsSpan((int)offset, data.Length).CopyTo(data);

    /// <inheritdoc/>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> data)
    {
    }

    /// <inheritdoc/>
    public void Activate(VirtioActivation activation)
    {
        Volatile.Write(ref _activation, activation);
        _worker.Wake();
    }

    /// <inheritdoc/>
    public void OnKick(int queue) => _worker.Wake();

    /// <inheritdoc/>
    public void Reset() => Volatile.Write(ref _activation, null);

    /// <inheritdoc/>
    public void Dispose() => _worker.Dispose();

    // A buffer to receive into would come back at once, for ever.
    private bool IsAnswered(int queue) => DeviceId switch
    {
        BlockDevice or PmemDevice => true,
        NetworkDevice => queue % 2 == 1 || queue == _queueSizes.Length - 1,
        _ => false,
    };

    private void Serve()
    {
        if (Volatile.Read(ref _activation) is not { } activation) return;
        bool isMore = false;
        for (int i = 0; i < activation.Queues.Count; i++)
        {
            if (IsAnswered(i)) isMore |= Fail(activation.Queues[i], _chains[i] ??= activation.Queues[i].NewChain());
        }

        if (isMore) _worker.Wake();
    }

    /// <returns>Whether there may be more.</returns>
    private static bool Fail(VirtQueue queue, VirtChain chain)
    {
        int done = 0;
        for (; done < Batch && queue.TryPop(chain); done++)
        {
            ulong reply = chain.WritableBytes;
            if (reply != 0) chain.TryWrite(reply - 1, [Failed]);
            queue.Push(chain, (uint)Math.Min(reply, uint.MaxValue));
        }

        queue.Signal();
        return done == Batch;
    }
}
