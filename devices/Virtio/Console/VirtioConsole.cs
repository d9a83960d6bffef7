using System.Buffers.Binary;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Core.State;
using static Vmm.Devices.Virtio.Console.VirtioConsoleRegisters;

namespace Vmm.Devices.Virtio.Console;

/// <summary>
/// The console device (virtio 1.2 §5.3): output, input, window size, emergency output before a driver is there. With several ports, or a named
/// one, it has the control queues of a multiport device; a driver that does not want these gets the first port. Input that the guest has no
/// buffer for stays with the host end.
/// </summary>
public sealed class VirtioConsole : IVirtioDevice, IStateful<VirtioConsoleState>, IDisposable
{
    /// <summary>The most ports.</summary>
    public const int MostPorts = 16;

    private const ushort ConsoleDevice = 3;
    private const uint OtherCommunication = 0x078000;
    private const ushort QueueSize = 128;

    private readonly ConsolePort[] _ports;
    private readonly ConsoleControl _control;
    private readonly ushort[] _queueSizes;
    private readonly IWorker _worker;
    private readonly bool _isMultiport;
    private VirtioActivation? _activation;

    /// <summary>One console.</summary>
    public VirtioConsole(ICharBackend backend, IWorkers workers) : this([new VirtioConsolePort(backend)], workers) { }

    /// <param name="ports">The ports. The first should be a console, because that is what a simple driver takes it for.</param>
    /// <param name="workers">Who passes output on.</param>
    /// <exception cref="ArgumentException">There are no ports or too many, or a name cannot be.</exception>
    public VirtioConsole(IReadOnlyList<VirtioConsolePort> ports, IWorkers workers)
    {
        if (ports.Count is < 1 or > MostPorts) throw new ArgumentException($"a console device has 1 to {MostPorts} ports, not {ports.Count}", nameof(ports));
        foreach (VirtioConsolePort port in ports)
        {
            if (port.Name is { } name && (name.Length is < 1 or > VirtioConsolePort.MostNameBytes || !Ascii.IsValid(name)))
                throw new ArgumentException($"a port's name has 1 to {VirtioConsolePort.MostNameBytes} ASCII characters", nameof(ports));
        }

        _isMultiport = ports.Count > 1 || ports[0].Name is not null;
        _queueSizes = new ushort[_isMultiport ? 2 * (ports.Count + 1) : 2];
        Array.Fill(_queueSizes, QueueSize);
        _worker = workers.Create("virtio-console", Serve);
        _ports = [.. ports.Select((port, i) => new ConsolePort(i, port, OnChanged, _worker.Wake))];
        _control = new ConsoleControl(_ports);
    }

    /// <inheritdoc/>
    public string Name => "virtio-console";

    /// <inheritdoc/>
    public ushort DeviceId => ConsoleDevice;

    /// <inheritdoc/>
    public uint PciClass => OtherCommunication;

    /// <inheritdoc/>
    public ulong OfferedFeatures => VirtioFeatures.VIRTIO_F_IN_ORDER | VIRTIO_CONSOLE_F_SIZE | VIRTIO_CONSOLE_F_EMERG_WRITE | (_isMultiport ? VIRTIO_CONSOLE_F_MULTIPORT : 0);

    /// <inheritdoc/>
    public ReadOnlySpan<ushort> QueueSizes => _queueSizes;

    /// <inheritdoc/>
    public uint ConfigBytes => VirtioConsoleRegisters.ConfigBytes;

    /// <summary>What each port has done, in their order. Any thread.</summary>
    public IReadOnlyList<VirtioConsoleStatistics> Statistics => [.. _ports.Select(port => port.Statistics)];

    /// <summary>Tells the guest how large a port's window is. Any thread.</summary>
    public void Resize(TerminalSize size, int port = 0) => _ports[port].Resize(size);

    /// <inheritdoc/>
    public void ReadConfig(uint offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[VirtioConsoleRegisters.ConfigBytes];
        config.Clear();
        // Columns, then rows, 16 bits each.
        BinaryPrimitives.WriteUInt32LittleEndian(config[Columns..], _ports[0].Size);
        BinaryPrimitives.WriteUInt32LittleEndian(config[MaxPorts..], (uint)_ports.Length);
        config.Slice((int)offset, data.Length).CopyTo(data);
    }

    /// <inheritdoc/>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> data)
    {
        if (offset == EmergencyWrite) _ports[0].WriteEmergency(data[0]);
    }

    /// <inheritdoc/>
    public void Activate(VirtioActivation activation)
    {
        bool isMultiport = activation.Has(VIRTIO_CONSOLE_F_MULTIPORT);
        for (int i = 0; i < (isMultiport ? _ports.Length : 1); i++)
            _ports[i].Begin(activation.Queues[QueueOf(i)], activation.Queues[QueueOf(i) + 1], isMultiport);
        Volatile.Write(ref _activation, activation);
        _worker.Wake();
    }

    /// <inheritdoc/>
    public void OnKick(int queue)
    {
        if (IsInput(queue)) _ports[PortOf(queue)].BuffersAdded();
        else _worker.Wake();
    }

    /// <inheritdoc/>
    public int KickDescriptor(int queue) => IsInput(queue) ? -1 : _worker.WakeDescriptor;

    /// <inheritdoc/>
    public void Reset()
    {
        Volatile.Write(ref _activation, null);
        foreach (ConsolePort port in _ports) port.Reset();
    }

    /// <inheritdoc/>
    public VirtioConsoleState Save() => new() { Ports = [.. _ports.Select(port => port.Save())] };

    /// <inheritdoc/>
    public void Restore(VirtioConsoleState state)
    {
        if (state.Version != VirtioConsoleState.CurrentVersion || state.Ports.Length != _ports.Length)
            throw new StateException($"virtio-console: state version {state.Version} with {state.Ports.Length} ports cannot be restored");
        for (int i = 0; i < _ports.Length; i++) _ports[i].Restore(state.Ports[i]);
        _worker.Wake();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ConsolePort port in _ports) port.Dispose();
        _worker.Dispose();
    }

    private static int QueueOf(int port) => port == 0 ? ReceiveQueue : 2 * (port + 1);

    private static int PortOf(int queue) => queue <= TransmitQueue ? 0 : queue / 2 - 1;

    // Queues come in pairs; the second pair is the control channel, where buffers for the device's messages wake the worker.
    private static bool IsInput(int queue) => queue % 2 == 0 && queue != ControlReceiveQueue;

    private void Serve()
    {
        if (Volatile.Read(ref _activation) is not { } activation) return;
        bool mayBeMore = false;
        foreach (ConsolePort port in _ports)
        {
            port.ResumeInput();
            mayBeMore |= port.Transmit();
        }

        if (activation.Has(VIRTIO_CONSOLE_F_MULTIPORT)) mayBeMore |= _control.Serve(activation.Queues[ControlReceiveQueue], activation.Queues[ControlTransmitQueue]);
        if (mayBeMore) _worker.Wake();
    }

    private void OnChanged(ConsolePort port)
    {
        if (Volatile.Read(ref _activation) is not { } activation) return;
        if (activation.Has(VIRTIO_CONSOLE_F_MULTIPORT)) _worker.Wake();
        else if (port.Index == 0) activation.ConfigChanged();
    }
}
