using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.State;
using Vmm.Devices.Virtio.Queue;
using static Vmm.Devices.Virtio.Console.VirtioConsoleRegisters;

namespace Vmm.Devices.Virtio.Console;

/// <summary>
/// The console device (virtio 1.2 §5.3) with one port: output, input, window size, emergency output before a driver is there. Input
/// that the guest has no buffer for stays with the backend.
/// </summary>
public sealed class VirtioConsole : IVirtioDevice, ICharReceiver, IStateful<VirtioConsoleState>, IDisposable
{
    private const ushort ConsoleDevice = 3;
    private const uint OtherCommunication = 0x078000;
    private const ushort QueueSize = 128;
    private const int PieceBytes = 512;

    // A longer chain is cut, so that the worker can be stopped soon.
    private const ulong MaxOutputBytes = 1 << 20;

    private static readonly ushort[] Sizes = [QueueSize, QueueSize];

    private readonly ICharBackend _backend;
    private readonly IWorker _transmitter;
    private readonly Lock _receiveGate = new();
    private VirtioActivation? _activation;
    private VirtChain? _transmitChain;
    private VirtChain? _receiveChain;
    private uint _size;

    /// <param name="backend">The host end. Stays the caller's.</param>
    /// <param name="workers">Who passes output on.</param>
    public VirtioConsole(ICharBackend backend, IWorkers workers)
    {
        _backend = backend;
        _transmitter = workers.Create("virtio-console output", Transmit);
        backend.Attach(this);
    }

    /// <inheritdoc/>
    public string Name => "virtio-console";

    /// <inheritdoc/>
    public ushort DeviceId => ConsoleDevice;

    /// <inheritdoc/>
    public uint PciClass => OtherCommunication;

    /// <inheritdoc/>
    public ulong OfferedFeatures => VIRTIO_CONSOLE_F_SIZE | VIRTIO_CONSOLE_F_EMERG_WRITE;

    /// <inheritdoc/>
    public ReadOnlySpan<ushort> QueueSizes => Sizes;

    /// <inheritdoc/>
    public uint ConfigBytes => VirtioConsoleRegisters.ConfigBytes;

    /// <summary>Tells the guest how large the window is. Any thread.</summary>
    public void Resize(ushort columns, ushort rows)
    {
        uint size = ((uint)rows << 16) | columns;
        if (Interlocked.Exchange(ref _size, size) != size) Volatile.Read(ref _activation)?.ConfigChanged();
    }

    /// <inheritdoc/>
    public void ReadConfig(uint offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[VirtioConsoleRegisters.ConfigBytes];
        config.Clear();
        // Columns, then rows, 16 bits each.
        BinaryPrimitives.WriteUInt32LittleEndian(config[Columns..], Volatile.Read(ref _size));
        BinaryPrimitives.WriteUInt32LittleEndian(config[MaxPorts..], 1);
        config.Slice((int)offset, data.Length).CopyTo(data);
    }

    /// <inheritdoc/>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> data)
    {
        if (offset == EmergencyWrite) _backend.Write(data[..1]);
    }

    /// <inheritdoc/>
    public void Activate(VirtioActivation activation)
    {
        Volatile.Write(ref _activation, activation);
        _transmitter.Wake();
        _backend.ReceiverReady();
    }

    /// <inheritdoc/>
    public void OnKick(int queue)
    {
        if (queue == TransmitQueue) _transmitter.Wake();
        else _backend.ReceiverReady();
    }

    /// <inheritdoc/>
    public int KickDescriptor(int queue) => queue == TransmitQueue ? _transmitter.WakeDescriptor : -1;

    /// <inheritdoc/>
    public void Reset() => Volatile.Write(ref _activation, null);

    /// <inheritdoc/>
    public int Receive(ReadOnlySpan<byte> data)
    {
        if (Volatile.Read(ref _activation) is not { } activation) return 0;
        VirtQueue queue = activation.Queues[ReceiveQueue];
        int taken = 0;
        lock (_receiveGate)
        {
            VirtChain chain = _receiveChain ??= queue.NewChain();
            for (int served = 0; served < QueueSize && taken < data.Length && queue.TryPop(chain); served++)
            {
                int count = (int)Math.Min(chain.WritableBytes, (ulong)(data.Length - taken));
                if (!chain.TryWrite(0, data.Slice(taken, count))) count = 0;
                queue.Push(chain, (uint)count);
                taken += count;
            }
        }

        queue.Signal();
        return taken;
    }

    /// <inheritdoc/>
    public VirtioConsoleState Save() => new() { Columns = (ushort)_size, Rows = (ushort)(_size >> 16) };

    /// <inheritdoc/>
    public void Restore(VirtioConsoleState state)
    {
        if (state.Version != VirtioConsoleState.CurrentVersion) throw new StateException($"virtio-console: state version {state.Version} cannot be restored");
        Volatile.Write(ref _size, ((uint)state.Rows << 16) | state.Columns);
    }

    /// <inheritdoc/>
    public void Dispose() => _transmitter.Dispose();

    private void Transmit()
    {
        if (Volatile.Read(ref _activation) is not { } activation) return;
        VirtQueue queue = activation.Queues[TransmitQueue];
        VirtChain chain = _transmitChain ??= queue.NewChain();
        for (int served = 0; served < QueueSize; served++)
        {
            if (!queue.TryPop(chain)) return;
            Pass(chain);
            queue.Push(chain, 0);
            queue.Signal();
        }

        _transmitter.Wake();
    }

    private void Pass(VirtChain chain)
    {
        Span<byte> bytes = stackalloc byte[PieceBytes];
        ulong total = Math.Min(chain.ReadableBytes, MaxOutputBytes);
        for (ulong done = 0; done < total;)
        {
            Span<byte> piece = bytes[..(int)Math.Min(PieceBytes, total - done)];
            if (!chain.TryRead(done, piece)) return;
            _backend.Write(piece);
            done += (ulong)piece.Length;
        }
    }
}
