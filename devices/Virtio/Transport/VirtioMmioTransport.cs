using System.Buffers.Binary;
using Vmm.Core.Bus;
using Vmm.Core.Interrupts;
using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.Transport;

/// <summary>
/// A virtio device as a page of registers and a level-triggered wire (virtio 1.2 §4.2), without the legacy interface. Attach it to the
/// memory bus where it was told that it is.
/// </summary>
/// <remarks>Lock order: the interrupt lock is taken last but for the wire.</remarks>
public sealed class VirtioMmioTransport : IVirtioTransport, IBusDevice, IVirtioInterrupts, IStateful<VirtioMmioState>
{
    /// <summary>Bytes of address space.</summary>
    public const ulong SizeBytes = 0x1000;

    // "VMM", as the vendor of the machine that the device is in.
    private const uint Vendor = 0x004d4d56;
    private const int HalfBits = 32;

    private readonly VirtioCore _core;
    private readonly IVirtioDevice _device;
    private readonly IInterruptLine _wire;
    private readonly ulong _address;
    private readonly Lock _interruptGate = new();
    private VirtioIsr _isr;
    private uint _deviceFeaturesSel, _driverFeaturesSel, _queueSel;

    /// <param name="device">The device.</param>
    /// <param name="memory">Guest memory.</param>
    /// <param name="address">Where the guest finds the registers.</param>
    /// <param name="wire">Its interrupt, level-triggered.</param>
    /// <param name="diagnostics">Takes one line when a driver breaks a queue, at most one between two resets.</param>
    public VirtioMmioTransport(IVirtioDevice device, GuestMemory memory, ulong address, IInterruptLine wire, Action<string>? diagnostics = null)
    {
        if (device.ConfigBytes > SizeBytes - VirtioMmioRegisters.Config)
            throw new ArgumentException($"{device.Name}: {device.ConfigBytes} bytes of configuration do not fit", nameof(device));
        (_device, _address, _wire) = (device, address, wire);
        _core = new VirtioCore(device, memory, this, diagnostics);
        _core.LiveChanged += () => DoorbellsChanged?.Invoke();
    }

    /// <inheritdoc/>
    public event Action? DoorbellsChanged;

    /// <inheritdoc/>
    public int QueueCount => _core.QueueCount;

    /// <inheritdoc/>
    public bool IsIdle => _core.IsIdle;

    /// <summary>All queues share a register: the number written tells them apart.</summary>
    public VirtioDoorbell? Doorbell(int queue)
        => _core.IsLive ? new VirtioDoorbell(_address + VirtioMmioRegisters.QueueNotify, (uint)queue, sizeof(uint)) : null;

    /// <inheritdoc/>
    public int KickDescriptor(int queue) => _core.KickDescriptor(queue);

    /// <inheritdoc/>
    public void Kick(int queue) => _core.Kick(queue);

    /// <inheritdoc/>
    public void Hold() => _core.Hold();

    /// <inheritdoc/>
    public void Release() => _core.Release();

    /// <inheritdoc/>
    public BusResult Read(in BusAccess access, Span<byte> data)
    {
        if (access.Offset >= VirtioMmioRegisters.Config)
            return _core.ReadConfig((uint)access.Offset - VirtioMmioRegisters.Config, data) ? BusResult.Ok : BusResult.NoRegister;
        if (Check(access, data.Length) is var refused and not BusResult.Ok) return refused;
        BinaryPrimitives.WriteUInt32LittleEndian(data, Load((uint)access.Offset));
        return BusResult.Ok;
    }

    /// <inheritdoc/>
    public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data)
    {
        if (access.Offset >= VirtioMmioRegisters.Config)
            return _core.WriteConfig((uint)access.Offset - VirtioMmioRegisters.Config, data) ? BusResult.Ok : BusResult.NoRegister;
        if (Check(access, data.Length) is var refused and not BusResult.Ok) return refused;
        Store((uint)access.Offset, BinaryPrimitives.ReadUInt32LittleEndian(data));
        return BusResult.Ok;
    }

    void IVirtioInterrupts.QueueUsed(int queue) => Raise(VirtioIsr.QueueUsed);

    void IVirtioInterrupts.ConfigChanged() => Raise(VirtioIsr.ConfigChanged);

    /// <inheritdoc/>
    public VirtioMmioState Save() => new()
    {
        DeviceFeaturesSel = _deviceFeaturesSel,
        DriverFeaturesSel = _driverFeaturesSel,
        QueueSel = _queueSel,
        InterruptStatus = (int)_isr,
        Core = _core.Save(),
    };

    /// <inheritdoc/>
    public void Restore(VirtioMmioState state)
    {
        if (state.Version != VirtioMmioState.CurrentVersion) throw new StateException($"{_device.Name}: state version {state.Version} cannot be restored");
        (_deviceFeaturesSel, _driverFeaturesSel, _queueSel) = (state.DeviceFeaturesSel, state.DriverFeaturesSel, state.QueueSel);
        lock (_interruptGate)
        {
            _isr = (VirtioIsr)state.InterruptStatus & (VirtioIsr.QueueUsed | VirtioIsr.ConfigChanged);
            _wire.RestoreLevel(_isr != VirtioIsr.None);
        }

        _core.Restore(state.Core);
    }

    /// <summary>The registers are accessed whole (§4.2.2.2).</summary>
    private static BusResult Check(in BusAccess access, int width)
    {
        if (width != sizeof(uint)) return BusResult.BadWidth;
        return access.Offset % sizeof(uint) == 0 ? BusResult.Ok : BusResult.Unaligned;
    }

    private void Raise(VirtioIsr reason)
    {
        lock (_interruptGate)
        {
            _isr |= reason;
            _wire.SetLevel(true);
        }
    }

    private void Acknowledge(VirtioIsr reasons)
    {
        lock (_interruptGate)
        {
            _isr &= ~reasons;
            _wire.SetLevel(_isr != VirtioIsr.None);
        }
    }

    private uint Load(uint offset)
    {
        switch (offset)
        {
            case VirtioMmioRegisters.MagicValue:
                return VirtioMmioRegisters.Magic;
            case VirtioMmioRegisters.Version:
                return VirtioMmioRegisters.ModernVersion;
            case VirtioMmioRegisters.DeviceID:
                return _device.DeviceId;
            case VirtioMmioRegisters.VendorID:
                return Vendor;
            case VirtioMmioRegisters.DeviceFeatures:
                return _deviceFeaturesSel <= 1 ? (uint)(_core.OfferedFeatures >> (HalfBits * (int)_deviceFeaturesSel)) : 0;
            case VirtioMmioRegisters.QueueNumMax:
                return _core.QueueMaxSize(Queue);
            case VirtioMmioRegisters.QueueReady:
                // A queue that is being stopped is ready until it has stopped.
                VirtQueueSetup setup = _core.ReadQueue(Queue);
                return setup.IsEnabled || setup.IsResetting ? 1u : 0;
            case VirtioMmioRegisters.QueueReset:
                return _core.ReadQueue(Queue).IsResetting ? 1u : 0;
            case VirtioMmioRegisters.InterruptStatus:
                lock (_interruptGate) return (uint)_isr;
            case VirtioMmioRegisters.Status:
                return (uint)_core.ReadStatus();
            case VirtioMmioRegisters.SHMLenLow or VirtioMmioRegisters.SHMLenHigh or VirtioMmioRegisters.SHMBaseLow or VirtioMmioRegisters.SHMBaseHigh:
                // There is no shared memory.
                return uint.MaxValue;
            case VirtioMmioRegisters.ConfigGeneration:
                return _core.ReadConfigGeneration();
            default:
                return 0;
        }
    }

    private void Store(uint offset, uint value)
    {
        switch (offset)
        {
            case VirtioMmioRegisters.DeviceFeaturesSel:
                _deviceFeaturesSel = value;
                break;
            case VirtioMmioRegisters.DriverFeatures:
                _core.WriteDriverFeatures(_driverFeaturesSel, value);
                break;
            case VirtioMmioRegisters.DriverFeaturesSel:
                _driverFeaturesSel = value;
                break;
            case VirtioMmioRegisters.QueueSel:
                _queueSel = value;
                break;
            case VirtioMmioRegisters.QueueReady:
                if (value == 1) _core.EnableQueue(Queue);
                else if (value == 0) _core.StopQueue(Queue);
                break;
            case VirtioMmioRegisters.QueueReset:
                if (value == 1) _core.ResetQueue(Queue);
                break;
            case VirtioMmioRegisters.QueueNotify:
                _core.Kick((int)value);
                break;
            case VirtioMmioRegisters.InterruptACK:
                Acknowledge((VirtioIsr)value);
                break;
            case VirtioMmioRegisters.Status:
                if (value == 0) ForgetDriver();
                _core.WriteStatus((VirtioStatus)value);
                break;
            case VirtioMmioRegisters.QueueNum or (>= VirtioMmioRegisters.QueueDescLow and <= VirtioMmioRegisters.QueueDeviceHigh):
                SetQueueRegister(offset, value);
                break;
        }
    }

    // No number above is one of a queue.
    private int Queue => (int)Math.Min(_queueSel, int.MaxValue);

    private void SetQueueRegister(uint offset, uint value)
    {
        VirtQueueSetup queue = _core.ReadQueue(Queue);
        switch (offset)
        {
            case VirtioMmioRegisters.QueueNum:
                // What does not fit is no size.
                queue.Size = value <= ushort.MaxValue ? (ushort)value : (ushort)0;
                break;
            case VirtioMmioRegisters.QueueDescLow or VirtioMmioRegisters.QueueDescHigh:
                queue.Descriptors = Half(queue.Descriptors, offset, value);
                break;
            case VirtioMmioRegisters.QueueDriverLow or VirtioMmioRegisters.QueueDriverHigh:
                queue.Available = Half(queue.Available, offset, value);
                break;
            case VirtioMmioRegisters.QueueDeviceLow or VirtioMmioRegisters.QueueDeviceHigh:
                queue.Used = Half(queue.Used, offset, value);
                break;
        }

        _core.WriteQueue(Queue, queue);
    }

    private static ulong Half(ulong old, uint offset, uint value)
        => offset % sizeof(ulong) == 0 ? (old & ~(ulong)uint.MaxValue) | value : ((ulong)value << HalfBits) | (uint)old;

    private void ForgetDriver()
    {
        _deviceFeaturesSel = _driverFeaturesSel = _queueSel = 0;
        Acknowledge(VirtioIsr.QueueUsed | VirtioIsr.ConfigChanged);
    }
}
