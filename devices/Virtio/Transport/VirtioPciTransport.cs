using System.Buffers.Binary;
using Vmm.Core.Bus;
using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Devices.Pci;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.Transport;

/// <summary>
/// A virtio device as a PCI function (virtio 1.2 §4.1), without the legacy interface. BAR 0 holds the structures, BAR 2 the MSI-X table:
/// one vector for the configuration and one for each queue. Add <see cref="Function"/> to a bus. Each queue has a doorbell of its own.
/// </summary>
/// <remarks>Lock order: the interrupt lock is taken last but for MSI-X and the wire.</remarks>
public sealed class VirtioPciTransport : IVirtioTransport, IDisposable, IBusDevice, IVirtioInterrupts, IStateful<VirtioPciState>
{
    private const byte MainBar = 0;
    private const int MsixBar = 2;
    private const ushort VirtioVendor = 0x1af4;
    private const ushort FirstModernDeviceId = 0x1040;
    private const ushort NonTransitionalSubsystem = 0x0040;
    private const byte NonTransitionalRevision = 1;
    private const ushort VIRTIO_MSI_NO_VECTOR = 0xffff;
    private const uint PageBytes = 0x1000;
    private const uint CommonPage = 0, IsrPage = 1, DevicePage = 2, NotifyPage = 3;
    private const uint NotifyStep = sizeof(uint);
    private const ulong BarBytes = 4 * PageBytes;

    // No page begins there.
    private const ulong Nowhere = ulong.MaxValue;

    private readonly VirtioCore _core;
    private readonly VirtioPciConfigAccess _configAccess;
    private readonly PciBar _bar;
    private readonly Lock _interruptGate = new();
    private readonly ushort[] _queueVectors;
    private ushort _configVector;
    private VirtioIsr _isr;
    private uint _deviceFeatureSelect, _driverFeatureSelect;
    private ushort _queueSelect;
    private ulong _doorbells = Nowhere;

    /// <param name="device">The device.</param>
    /// <param name="memory">Guest memory.</param>
    /// <param name="diagnostics">Takes one line when a driver breaks a queue, at most one between two resets.</param>
    public VirtioPciTransport(IVirtioDevice device, GuestMemory memory, Action<string>? diagnostics = null)
    {
        _core = new VirtioCore(device, memory, this, diagnostics);
        if (_core.QueueCount * NotifyStep > PageBytes || device.ConfigBytes > PageBytes)
            throw new ArgumentException($"{device.Name}: {_core.QueueCount} queues with {device.ConfigBytes} bytes of configuration do not fit", nameof(device));
        _queueVectors = new ushort[_core.QueueCount];
        Function = new PciFunction(device.Name, new PciIdentity
        {
            VendorId = VirtioVendor,
            DeviceId = (ushort)(FirstModernDeviceId + device.DeviceId),
            Revision = NonTransitionalRevision,
            ClassCode = device.PciClass,
            SubsystemVendorId = VirtioVendor,
            SubsystemId = NonTransitionalSubsystem,
        }, interruptPin: 1);
        Msix = new MsixTable(_core.QueueCount + 1, MsixBar);
        Msix.EnabledChanged += _core.CallsChanged;
        _bar = new PciBar(MainBar, PciBarKind.Memory64, BarBytes, this);
        _bar.Moved += OnMoved;
        _core.LiveChanged += () => DoorbellsChanged?.Invoke();
        Function.AddBar(_bar);
        Function.AddBar(Msix.NewBar());
        Function.AddCapability(Msix);
        _configAccess = new VirtioPciConfigAccess(this, MainBar);
        AddStructure(VirtioPciCapabilityType.VIRTIO_PCI_CAP_COMMON_CFG, CommonPage, VirtioPciCommon.SizeBytes);
        AddStructure(VirtioPciCapabilityType.VIRTIO_PCI_CAP_ISR_CFG, IsrPage, sizeof(byte));
        if (device.ConfigBytes != 0) AddStructure(VirtioPciCapabilityType.VIRTIO_PCI_CAP_DEVICE_CFG, DevicePage, device.ConfigBytes);
        AddStructure(VirtioPciCapabilityType.VIRTIO_PCI_CAP_NOTIFY_CFG, NotifyPage, (uint)_core.QueueCount * NotifyStep, NotifyStep);
        Function.AddCapability(_configAccess);
        ForgetDriver();
    }

    /// <summary>The function to put on a bus.</summary>
    public PciFunction Function { get; }

    /// <summary>Its MSI-X table.</summary>
    public MsixTable Msix { get; }

    /// <inheritdoc/>
    public event Action? DoorbellsChanged;

    /// <inheritdoc/>
    public int QueueCount => _core.QueueCount;

    /// <inheritdoc/>
    public bool IsIdle => _core.IsIdle;

    /// <summary>Any write kicks, of whatever value and width: each queue has an address of its own.</summary>
    public VirtioDoorbell? Doorbell(int queue)
    {
        ulong doorbells = Volatile.Read(ref _doorbells);
        return doorbells != Nowhere && _core.IsLive ? new VirtioDoorbell(doorbells + (ulong)queue * NotifyStep, null, 0) : null;
    }

    /// <inheritdoc/>
    public int KickDescriptor(int queue) => _core.KickDescriptor(queue);

    /// <inheritdoc/>
    public void Kick(int queue) => _core.Kick(queue);

    /// <inheritdoc/>
    public void Hold() => _core.Hold();

    /// <inheritdoc/>
    public void Release() => _core.Release();

    /// <summary>Gives the interrupt routes back, after the device has ended or left the bus.</summary>
    public void Dispose() => Msix.Dispose();

    /// <inheritdoc/>
    public BusResult Read(in BusAccess access, Span<byte> data)
    {
        uint offset = (uint)(access.Offset % PageBytes);
        switch (access.Offset / PageBytes)
        {
            case CommonPage:
                return ReadCommon(offset, data);
            case IsrPage when offset == 0:
                data.Clear();
                data[0] = (byte)TakeIsr();
                return BusResult.Ok;
            case DevicePage:
                return _core.ReadConfig(offset, data) ? BusResult.Ok : BusResult.NoRegister;
            case NotifyPage:
                data.Clear();
                return BusResult.Ok;
            default:
                return BusResult.NoRegister;
        }
    }

    /// <inheritdoc/>
    public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data)
    {
        uint offset = (uint)(access.Offset % PageBytes);
        switch (access.Offset / PageBytes)
        {
            case CommonPage:
                return WriteCommon(offset, data);
            case DevicePage:
                return _core.WriteConfig(offset, data) ? BusResult.Ok : BusResult.NoRegister;
            case NotifyPage:
                if (offset % NotifyStep != 0) return BusResult.Unaligned;
                _core.Kick((int)(offset / NotifyStep));
                return BusResult.Ok;
            default:
                return BusResult.NoRegister;
        }
    }

    void IVirtioInterrupts.QueueUsed(int queue)
    {
        if (Msix.IsEnabled) Msix.Raise(Volatile.Read(ref _queueVectors[queue]));
        else RaiseWire(VirtioIsr.QueueUsed);
    }

    int IVirtioInterrupts.QueueDescriptor(int queue)
    {
        ushort vector = Volatile.Read(ref _queueVectors[queue]);
        return Msix.IsEnabled && vector != VIRTIO_MSI_NO_VECTOR ? Msix.Descriptor(vector) : -1;
    }

    void IVirtioInterrupts.ConfigChanged()
    {
        if (!Msix.IsEnabled)
        {
            RaiseWire(VirtioIsr.ConfigChanged);
            return;
        }

        lock (_interruptGate) _isr |= VirtioIsr.ConfigChanged;
        Msix.Raise(Volatile.Read(ref _configVector));
    }

    /// <inheritdoc/>
    public VirtioPciState Save() => new()
    {
        DeviceFeatureSelect = _deviceFeatureSelect,
        DriverFeatureSelect = _driverFeatureSelect,
        QueueSelect = _queueSelect,
        ConfigVector = _configVector,
        QueueVectors = [.. _queueVectors],
        Isr = (int)_isr,
        ConfigAccess = _configAccess.Selection,
        Core = _core.Save(),
    };

    /// <inheritdoc/>
    public void Restore(VirtioPciState state)
    {
        if (state.Version != VirtioPciState.CurrentVersion || state.QueueVectors.Length != _queueVectors.Length || state.ConfigAccess.Length != _configAccess.Selection.Length)
            throw new StateException($"{Function.Name}: state version {state.Version} with {state.QueueVectors.Length} queues cannot be restored");
        (_deviceFeatureSelect, _driverFeatureSelect, _queueSelect) = (state.DeviceFeatureSelect, state.DriverFeatureSelect, state.QueueSelect);
        _configVector = state.ConfigVector;
        state.QueueVectors.CopyTo(_queueVectors, 0);
        lock (_interruptGate) _isr = (VirtioIsr)state.Isr & (VirtioIsr.QueueUsed | VirtioIsr.ConfigChanged);
        _configAccess.Selection = state.ConfigAccess;
        _core.Restore(state.Core);
    }

    private void OnMoved(ulong? address)
    {
        Volatile.Write(ref _doorbells, address + NotifyPage * PageBytes ?? Nowhere);
        DoorbellsChanged?.Invoke();
    }

    private void AddStructure(VirtioPciCapabilityType type, uint page, uint length, uint? multiplier = null)
        => Function.AddCapability(new VirtioPciCapability(type, MainBar, page * PageBytes, length, multiplier));

    private void RaiseWire(VirtioIsr reason)
    {
        lock (_interruptGate)
        {
            _isr |= reason;
            Function.SetInterrupt(true);
        }
    }

    private VirtioIsr TakeIsr()
    {
        lock (_interruptGate)
        {
            VirtioIsr isr = _isr;
            _isr = VirtioIsr.None;
            Function.SetInterrupt(false);
            return isr;
        }
    }

    private BusResult ReadCommon(uint offset, Span<byte> data)
    {
        if (data.Length == sizeof(ulong) && IsWide(offset))
        {
            ReadCommon(offset, data[..sizeof(uint)]);
            return ReadCommon(offset + sizeof(uint), data[sizeof(uint)..]);
        }

        if (CheckCommon(offset, data.Length) is var refused and not BusResult.Ok) return refused;
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, CommonRegister(offset));
        bytes[..data.Length].CopyTo(data);
        return BusResult.Ok;
    }

    private BusResult WriteCommon(uint offset, ReadOnlySpan<byte> data)
    {
        if (data.Length == sizeof(ulong) && IsWide(offset))
        {
            WriteCommon(offset, data[..sizeof(uint)]);
            return WriteCommon(offset + sizeof(uint), data[sizeof(uint)..]);
        }

        if (CheckCommon(offset, data.Length) is var refused and not BusResult.Ok) return refused;
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        bytes.Clear();
        data.CopyTo(bytes);
        SetCommonRegister(offset, BinaryPrimitives.ReadUInt32LittleEndian(bytes));
        return BusResult.Ok;
    }

    private static BusResult CheckCommon(uint offset, int width)
    {
        int expected = VirtioPciCommon.Width(offset);
        if (expected == 0) return BusResult.NoRegister;
        return expected == width ? BusResult.Ok : BusResult.BadWidth;
    }

    private static bool IsWide(uint offset) => offset is VirtioPciCommon.queue_desc or VirtioPciCommon.queue_driver or VirtioPciCommon.queue_device;

    private uint CommonRegister(uint offset)
    {
        const int HalfBits = 32;
        switch (offset)
        {
            case VirtioPciCommon.device_feature_select:
                return _deviceFeatureSelect;
            case VirtioPciCommon.device_feature:
                return _deviceFeatureSelect <= 1 ? (uint)(_core.OfferedFeatures >> (HalfBits * (int)_deviceFeatureSelect)) : 0;
            case VirtioPciCommon.driver_feature_select:
                return _driverFeatureSelect;
            case VirtioPciCommon.driver_feature:
                return _driverFeatureSelect <= 1 ? (uint)(_core.DriverFeatures >> (HalfBits * (int)_driverFeatureSelect)) : 0;
            case VirtioPciCommon.config_msix_vector:
                return _configVector;
            case VirtioPciCommon.num_queues:
                return (uint)_core.QueueCount;
            case VirtioPciCommon.device_status:
                return (uint)_core.ReadStatus();
            case VirtioPciCommon.config_generation:
                return _core.ReadConfigGeneration();
            case VirtioPciCommon.queue_select:
                return _queueSelect;
            case VirtioPciCommon.queue_msix_vector:
                return _queueSelect < _queueVectors.Length ? _queueVectors[_queueSelect] : VIRTIO_MSI_NO_VECTOR;
            case VirtioPciCommon.queue_notify_off or VirtioPciCommon.queue_notify_data:
                return _queueSelect;
        }

        VirtQueueSetup queue = _core.ReadQueue(_queueSelect);
        return offset switch
        {
            VirtioPciCommon.queue_size => queue.Size,
            VirtioPciCommon.queue_enable => queue.IsEnabled && !queue.IsResetting ? 1u : 0,
            VirtioPciCommon.queue_reset => queue.IsResetting ? 1u : 0,
            VirtioPciCommon.queue_desc => (uint)queue.Descriptors,
            VirtioPciCommon.queue_desc + sizeof(uint) => (uint)(queue.Descriptors >> HalfBits),
            VirtioPciCommon.queue_driver => (uint)queue.Available,
            VirtioPciCommon.queue_driver + sizeof(uint) => (uint)(queue.Available >> HalfBits),
            VirtioPciCommon.queue_device => (uint)queue.Used,
            _ => (uint)(queue.Used >> HalfBits),
        };
    }

    private void SetCommonRegister(uint offset, uint value)
    {
        switch (offset)
        {
            case VirtioPciCommon.device_feature_select:
                _deviceFeatureSelect = value;
                break;
            case VirtioPciCommon.driver_feature_select:
                _driverFeatureSelect = value;
                break;
            case VirtioPciCommon.driver_feature:
                _core.WriteDriverFeatures(_driverFeatureSelect, value);
                break;
            case VirtioPciCommon.config_msix_vector:
                Volatile.Write(ref _configVector, Vector(value));
                break;
            case VirtioPciCommon.device_status:
                if (value == 0) ForgetDriver();
                _core.WriteStatus((VirtioStatus)value);
                break;
            case VirtioPciCommon.queue_select:
                _queueSelect = (ushort)value;
                break;
            case VirtioPciCommon.queue_msix_vector:
                if (_queueSelect >= _queueVectors.Length) break;
                Volatile.Write(ref _queueVectors[_queueSelect], Vector(value));
                _core.CallsChanged();
                break;
            case VirtioPciCommon.queue_enable:
                if (value == 1) _core.EnableQueue(_queueSelect);
                break;
            case VirtioPciCommon.queue_reset:
                if (value == 1) _core.ResetQueue(_queueSelect);
                break;
            case VirtioPciCommon.queue_size or (>= VirtioPciCommon.queue_desc and < VirtioPciCommon.queue_notify_data):
                SetQueueRegister(offset, value);
                break;
        }
    }

    private void SetQueueRegister(uint offset, uint value)
    {
        VirtQueueSetup queue = _core.ReadQueue(_queueSelect);
        switch (offset)
        {
            case VirtioPciCommon.queue_size:
                queue.Size = (ushort)value;
                break;
            case < VirtioPciCommon.queue_driver:
                queue.Descriptors = Half(queue.Descriptors, offset, value);
                break;
            case < VirtioPciCommon.queue_device:
                queue.Available = Half(queue.Available, offset, value);
                break;
            default:
                queue.Used = Half(queue.Used, offset, value);
                break;
        }

        _core.WriteQueue(_queueSelect, queue);
    }

    private static ulong Half(ulong old, uint offset, uint value)
        => offset % sizeof(ulong) == 0 ? (old & ~(ulong)uint.MaxValue) | value : ((ulong)value << 32) | (uint)old;

    private ushort Vector(uint value) => value < Msix.VectorCount ? (ushort)value : VIRTIO_MSI_NO_VECTOR;

    private void ForgetDriver()
    {
        _deviceFeatureSelect = _driverFeatureSelect = _queueSelect = 0;
        Volatile.Write(ref _configVector, VIRTIO_MSI_NO_VECTOR);
        for (int i = 0; i < _queueVectors.Length; i++) Volatile.Write(ref _queueVectors[i], VIRTIO_MSI_NO_VECTOR);
        TakeIsr();
    }
}
