using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio;

/// <summary>
/// What all transports share: status, feature negotiation, queues and their life (virtio 1.2 §2.1, §2.2, §3.1). A reset is over, and the
/// status reads zero, once no request is under way; nothing blocks meanwhile. Thread-safe.
/// </summary>
/// <remarks>Lock order: core, then device, then queue, then interrupts. The queues' call-backs take no lock of the core.</remarks>
internal sealed class VirtioCore : IVirtioCalls, IStateful<VirtioCoreState>
{
    private const VirtioStatus SetByDriver = VirtioStatus.ACKNOWLEDGE | VirtioStatus.DRIVER | VirtioStatus.FAILED;

    private readonly Lock _gate = new();
    private readonly IVirtioDevice _device;
    private readonly IVirtioInterrupts _interrupts;
    private readonly Action<string>? _diagnostics;
    private readonly IVirtioRemoteDevice? _remote;
    private readonly IQueueEnd[] _queues;
    private readonly VirtQueue[] _served;
    private readonly VirtQueueSetup[] _setups;
    private readonly byte[] _seenConfig;
    private int _status;
    private byte _configGeneration;
    private bool _isResetting;
    private bool _isRestored;

    public VirtioCore(IVirtioDevice device, GuestMemory memory, IVirtioInterrupts interrupts, Action<string>? diagnostics)
    {
        (_device, _interrupts, _diagnostics) = (device, interrupts, diagnostics);
        _remote = device as IVirtioRemoteDevice;
        ushort[] sizes = device.QueueSizes.ToArray();
        _served = _remote is null ? [.. sizes.Select((size, i) => new VirtQueue(i, size, memory, QueueUsed, QueueBroke))] : [];
        _queues = _remote is null ? _served : [.. sizes.Select((size, i) => new RemoteQueue(_remote, i, size))];
        _setups = new VirtQueueSetup[_queues.Length];
        _seenConfig = new byte[device.ConfigBytes];
        Forget();
    }

    public int QueueCount => _queues.Length;

    public uint ConfigBytes => _device.ConfigBytes;

    public ulong OfferedFeatures => _device.OfferedFeatures | (_remote is null ? VirtioFeatures.Common : VirtioFeatures.VIRTIO_F_VERSION_1);

    public ulong DriverFeatures { get; private set; }

    /// <summary>Told, with the core's lock held, when the driver becomes ready or goes.</summary>
    public event Action? LiveChanged;

    /// <summary>The driver is ready.</summary>
    public bool IsLive => (CurrentStatus & VirtioStatus.DRIVER_OK) != 0;

    /// <summary>No request is under way.</summary>
    public bool IsIdle => Array.TrueForAll(_queues, static queue => queue.IsIdle);

    private VirtioStatus CurrentStatus => (VirtioStatus)Volatile.Read(ref _status);

    /// <summary>As the driver reads it: not zero before a reset is over.</summary>
    public VirtioStatus ReadStatus()
    {
        lock (_gate)
        {
            FinishReset();
            return CurrentStatus;
        }
    }

    /// <summary>
    /// As the driver reads it (§2.5): another number when the configuration is not what it was at the last look. Compared, not counted:
    /// a host that changes it between two reads is found out before it says so.
    /// </summary>
    public byte ReadConfigGeneration()
    {
        Span<byte> config = stackalloc byte[_seenConfig.Length];
        lock (_gate)
        {
            _device.ReadConfig(0, config);
            if (config.SequenceEqual(_seenConfig)) return _configGeneration;
            config.CopyTo(_seenConfig);
            return ++_configGeneration;
        }
    }

    public void WriteStatus(VirtioStatus value)
    {
        lock (_gate)
        {
            FinishReset();
            if (_isResetting) return;
            if (value == VirtioStatus.None)
            {
                BeginReset();
                return;
            }

            // Bits are never cleared but by a reset.
            Interlocked.Or(ref _status, (int)(value & SetByDriver));
            if ((value & VirtioStatus.FEATURES_OK) != 0 && AreFeaturesGood()) Interlocked.Or(ref _status, (int)VirtioStatus.FEATURES_OK);
            bool starts = (value & VirtioStatus.DRIVER_OK) != 0 && (CurrentStatus & VirtioStatus.FEATURES_OK) != 0 && !IsLive;
            if (starts) Activate();
        }
    }

    /// <summary>Sets 32 of the driver's feature bits; too late once they are agreed.</summary>
    public void WriteDriverFeatures(uint word, uint value)
    {
        lock (_gate)
        {
            if (_isResetting || word > 1 || (CurrentStatus & VirtioStatus.FEATURES_OK) != 0) return;
            int shift = (int)word * 32;
            DriverFeatures = (DriverFeatures & ~((ulong)uint.MaxValue << shift)) | ((ulong)value << shift);
        }
    }

    public ushort QueueMaxSize(int queue) => (uint)queue < (uint)_queues.Length ? _queues[queue].MaxSize : (ushort)0;

    /// <summary>What was written of a queue; nothing where there is no such queue.</summary>
    public VirtQueueSetup ReadQueue(int queue)
    {
        lock (_gate)
        {
            if ((uint)queue >= (uint)_setups.Length) return default;
            FinishQueueReset(queue);
            return _setups[queue];
        }
    }

    /// <summary>Changes size or addresses, as long as the queue is not enabled.</summary>
    public void WriteQueue(int queue, in VirtQueueSetup setup)
    {
        lock (_gate)
        {
            if (_isResetting || (uint)queue >= (uint)_setups.Length || _setups[queue].IsEnabled || _setups[queue].IsResetting) return;
            _setups[queue] = setup with { IsEnabled = false, IsResetting = false };
        }
    }

    public void EnableQueue(int queue)
    {
        lock (_gate)
        {
            if (_isResetting || (uint)queue >= (uint)_setups.Length || _setups[queue].IsEnabled) return;
            FinishQueueReset(queue);
            if (_setups[queue].IsResetting) return;
            _setups[queue].IsEnabled = true;
            if (!IsLive) return;
            _queues[queue].Start(_setups[queue], DriverFeatures);
            _device.OnKick(queue);
        }
    }

    /// <summary>Resets one queue (§2.6.1), if that was negotiated.</summary>
    public void ResetQueue(int queue)
    {
        lock (_gate)
        {
            if ((DriverFeatures & VirtioFeatures.VIRTIO_F_RING_RESET) != 0 && (CurrentStatus & VirtioStatus.FEATURES_OK) != 0) StopQueue(queue);
        }
    }

    /// <summary>Stops one queue, if it was enabled: it is over when nothing is under way (§4.2.2.2).</summary>
    public void StopQueue(int queue)
    {
        lock (_gate)
        {
            if (_isResetting || (uint)queue >= (uint)_setups.Length || !_setups[queue].IsEnabled) return;
            _queues[queue].Stop();
            _setups[queue].IsResetting = true;
            FinishQueueReset(queue);
        }
    }

    /// <summary>The driver says that a queue has something. Any thread; takes no lock.</summary>
    public void Kick(int queue)
    {
        if ((uint)queue < (uint)_queues.Length && IsLive) _device.OnKick(queue);
    }

    /// <summary>The transport's eventfds for the queues may be others than before. Any thread; takes no lock.</summary>
    public void CallsChanged() => _remote?.CallsChanged();

    /// <summary>An eventfd that kicks a queue without this object; -1 for none.</summary>
    public int KickDescriptor(int queue) => _device.KickDescriptor(queue);

    /// <summary>The queues give no chains until <see cref="Release"/>: once <see cref="IsIdle"/>, state and memory stand still.</summary>
    public void Hold()
    {
        lock (_gate)
        {
            foreach (IQueueEnd queue in _queues) queue.Hold(true);
        }
    }

    /// <summary>Goes on after <see cref="Hold"/>.</summary>
    public void Release()
    {
        bool isRestored;
        lock (_gate)
        {
            foreach (IQueueEnd queue in _queues) queue.Hold(false);
            (isRestored, _isRestored) = (_isRestored, false);
        }

        for (int i = 0; i < _queues.Length; i++)
        {
            // Where it was saved, an interrupt may have been on its way from another process to the CPUs. One too many does no harm.
            if (isRestored && IsLive && _setups[i].IsEnabled) _interrupts.QueueUsed(i);
            Kick(i);
        }
    }

    public bool ReadConfig(uint offset, Span<byte> data)
    {
        if (offset > ConfigBytes || data.Length > ConfigBytes - offset) return false;
        lock (_gate) _device.ReadConfig(offset, data);
        return true;
    }

    public bool WriteConfig(uint offset, ReadOnlySpan<byte> data)
    {
        if (offset > ConfigBytes || data.Length > ConfigBytes - offset) return false;
        lock (_gate)
        {
            if (!_isResetting) _device.WriteConfig(offset, data);
        }

        return true;
    }

    public VirtioCoreState Save()
    {
        lock (_gate)
        {
            FinishReset();
            for (int i = 0; i < _setups.Length; i++) FinishQueueReset(i);
            VirtQueueState[] queues = [.. _queues.Select((queue, i) => queue.Save(_setups[i]))];
            return new()
            {
                Status = (byte)_status,
                DriverFeatures = DriverFeatures,
                ConfigGeneration = _configGeneration,
                SeenConfig = [.. _seenConfig],
                Queues = queues,
            };
        }
    }

    public void Restore(VirtioCoreState state)
    {
        // What a driver asks for may be anything until it is agreed.
        bool isAgreed = ((VirtioStatus)state.Status & (VirtioStatus.FEATURES_OK | VirtioStatus.DRIVER_OK)) != 0;
        bool isPossible = state.Version == VirtioCoreState.CurrentVersion && state.Queues.Length == _queues.Length
            && state.SeenConfig.Length == _seenConfig.Length && (!isAgreed || (state.DriverFeatures & ~OfferedFeatures) == 0);
        if (!isPossible || !IsIdle)
            throw new StateException($"{_device.Name}: state version {state.Version} with {state.Queues.Length} queues and features 0x{state.DriverFeatures:x} cannot be restored");
        lock (_gate)
        {
            if (IsLive) _device.Reset();
            _isResetting = false;
            _isRestored = true;
            DriverFeatures = state.DriverFeatures;
            _configGeneration = state.ConfigGeneration;
            state.SeenConfig.CopyTo(_seenConfig, 0);
            Volatile.Write(ref _status, state.Status);
            for (int i = 0; i < _queues.Length; i++)
            {
                VirtQueueState queue = state.Queues[i];
                _setups[i] = new() { Size = queue.Size, Descriptors = queue.Descriptors, Available = queue.Available, Used = queue.Used, IsEnabled = queue.IsEnabled };
                _queues[i].Restore(queue, _setups[i], DriverFeatures);
            }

            if (IsLive) _device.Activate(NewActivation());
            LiveChanged?.Invoke();
        }
    }

    private bool AreFeaturesGood()
        => (DriverFeatures & ~OfferedFeatures) == 0 && (DriverFeatures & VirtioFeatures.VIRTIO_F_VERSION_1) != 0 && _device.Accepts(DriverFeatures);

    private void Activate()
    {
        for (int i = 0; i < _queues.Length; i++)
        {
            if (_setups[i].IsEnabled) _queues[i].Start(_setups[i], DriverFeatures);
        }

        Interlocked.Or(ref _status, (int)VirtioStatus.DRIVER_OK);
        _device.Activate(NewActivation());
        LiveChanged?.Invoke();
    }

    private VirtioActivation NewActivation() => new(DriverFeatures, _served, ConfigChanged) { Calls = _remote is null ? null : this };

    private void BeginReset()
    {
        _isResetting = true;
        foreach (IQueueEnd queue in _queues) queue.Stop();
        if (IsLive) _device.Reset();
        FinishReset();
    }

    private void FinishReset()
    {
        if (!_isResetting || !IsIdle) return;
        Forget();
    }

    private void FinishQueueReset(int queue)
    {
        if (!_setups[queue].IsResetting || !_queues[queue].IsIdle) return;
        _setups[queue] = new() { Size = _queues[queue].MaxSize };
    }

    private void Forget()
    {
        bool wasLive = IsLive;
        _isResetting = false;
        DriverFeatures = 0;
        Volatile.Write(ref _status, 0);
        for (int i = 0; i < _setups.Length; i++) _setups[i] = new() { Size = _queues[i].MaxSize };
        if (wasLive) LiveChanged?.Invoke();
    }

    private void ConfigChanged()
    {
        if (IsLive) _interrupts.ConfigChanged();
    }

    private void QueueUsed(VirtQueue queue) => _interrupts.QueueUsed(queue.Index);

    private void QueueBroke(VirtQueue queue, string problem) => Break(queue.Index, problem);

    int IVirtioCalls.Descriptor(int queue) => _interrupts.QueueDescriptor(queue);

    void IVirtioCalls.Raise(int queue)
    {
        if ((uint)queue < (uint)_queues.Length && IsLive) _interrupts.QueueUsed(queue);
    }

    void IVirtioCalls.Break(int queue, string why) => Break(queue, why);

    private void Break(int queue, string problem)
    {
        // Once in a device's life: the driver that goes on after it has been told is not listened to.
        bool isFirst = (Interlocked.Or(ref _status, (int)VirtioStatus.DEVICE_NEEDS_RESET) & (int)VirtioStatus.DEVICE_NEEDS_RESET) == 0;
        if (!isFirst) return;
        _diagnostics?.Invoke($"{_device.Name}: queue {queue} is broken and waits for a reset: {problem}");
        if (IsLive) _interrupts.ConfigChanged();
    }
}
