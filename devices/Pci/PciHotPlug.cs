using System.Buffers.Binary;
using System.Numerics;
using Vmm.Core.Bus;
using Vmm.Core.State;
using static Vmm.Devices.Pci.PciHotPlugRegisters;

namespace Vmm.Devices.Pci;

/// <summary>
/// The hot-plug controller of a root bus, which the DSDT drives (after the ICH's acpi-pcihp): tells the guest of devices that arrive and asks
/// it to let devices go. The guest has the last word: it takes a device out by writing to EJ, asked or not.
/// </summary>
/// <remarks>Thread-safe. Lock order: this controller, then the bus. The call-backs come without locks of either.</remarks>
public sealed class PciHotPlug : IBusDevice, IStateful<PciHotPlugState>
{
    /// <summary>Where it stands by convention of this project.</summary>
    public const ushort DefaultPort = 0x640;

    /// <summary>The general-purpose event by convention.</summary>
    public const int DefaultEvent = 1;

    /// <summary>Ports of it.</summary>
    public const int PortCount = 16;

    private readonly Lock _gate = new();
    private readonly PciRootBus _bus;
    private readonly uint _slots;
    private readonly Action _raiseEvent;
    private readonly Action<PciFunction> _ejected;
    private uint _arrived, _leaving;

    /// <param name="bus">The bus.</param>
    /// <param name="slots">A bit for each device number that the guest may eject.</param>
    /// <param name="raiseEvent">Raises the general-purpose event.</param>
    /// <param name="ejected">Told of each function that the guest took out; it is off the bus then. Called on the thread of a vCPU: must not block.</param>
    public PciHotPlug(PciRootBus bus, uint slots, Action raiseEvent, Action<PciFunction> ejected)
        => (_bus, _slots, _raiseEvent, _ejected) = (bus, slots, raiseEvent, ejected);

    /// <summary>Puts a device with one function into a slot and tells the guest.</summary>
    /// <exception cref="ArgumentException">This is no slot, or it is taken.</exception>
    public void Insert(PciFunction function, int device)
    {
        if (device is < 0 or >= PciAddress.DeviceCount || (_slots & Mask(device)) == 0) throw new ArgumentException($"PCI device {device} is no slot", nameof(device));
        lock (_gate)
        {
            _bus.Add(function, device);
            _arrived |= Mask(device);
            _leaving &= ~Mask(device);
        }

        _raiseEvent();
    }

    /// <summary>Asks the guest to let a device go; may be repeated.</summary>
    public void RequestRemoval(PciFunction function)
    {
        lock (_gate)
        {
            int device = function.Address.Device;
            if (!_bus.FunctionsOf(device).Contains(function)) return;
            _leaving |= Mask(device) & _slots;
        }

        _raiseEvent();
    }

    /// <summary>Tells the guest that a device is gone already, so that its driver lets go of it.</summary>
    public void NoteGone(int device)
    {
        lock (_gate)
        {
            _arrived &= ~Mask(device);
            _leaving |= Mask(device) & _slots;
        }

        _raiseEvent();
    }

    /// <inheritdoc/>
    public BusResult Read(in BusAccess access, Span<byte> data)
    {
        if (Check(access.Offset, data.Length) is var refused and not BusResult.Ok) return refused;
        uint value;
        lock (_gate)
        {
            value = access.Offset switch
            {
                UP => _arrived,
                DOWN => _leaving,
                PRESENT => Present(),
                _ => 0,
            };
        }

        BinaryPrimitives.WriteUInt32LittleEndian(data, value);
        return BusResult.Ok;
    }

    /// <inheritdoc/>
    public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data)
    {
        if (Check(access.Offset, data.Length) is var refused and not BusResult.Ok) return refused;
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(data);
        switch (access.Offset)
        {
            case UP:
                lock (_gate) _arrived &= ~value;
                break;
            case DOWN:
                lock (_gate) _leaving &= ~value;
                break;
            case EJ:
                Eject(value & _slots);
                break;
        }

        return BusResult.Ok;
    }

    /// <inheritdoc/>
    public PciHotPlugState Save()
    {
        lock (_gate) return new() { Arrived = _arrived, Leaving = _leaving };
    }

    /// <inheritdoc/>
    public void Restore(PciHotPlugState state)
    {
        if (state.Version != PciHotPlugState.CurrentVersion) throw new StateException($"PCI hot-plug: state version {state.Version} cannot be restored");
        lock (_gate) (_arrived, _leaving) = (state.Arrived & _slots, state.Leaving & _slots);
    }

    private void Eject(uint slots)
    {
        for (; slots != 0; slots &= slots - 1)
        {
            int device = BitOperations.TrailingZeroCount(slots);
            PciFunction[] functions;
            lock (_gate)
            {
                functions = _bus.FunctionsOf(device);
                foreach (PciFunction function in functions) _bus.Remove(function);
                _arrived &= ~Mask(device);
                _leaving &= ~Mask(device);
            }

            foreach (PciFunction function in functions) _ejected(function);
        }
    }

    private uint Present()
    {
        uint present = 0;
        foreach (PciFunction function in _bus.Functions) present |= Mask(function.Address.Device);
        return present;
    }

    private static BusResult Check(ulong offset, int width)
    {
        if (width != sizeof(uint)) return BusResult.BadWidth;
        return offset % sizeof(uint) == 0 ? BusResult.Ok : BusResult.Unaligned;
    }

    private static uint Mask(int device) => 1u << device;
}
