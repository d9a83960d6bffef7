using System.Buffers.Binary;
using Vmm.Core.Bus;
using Vmm.Core.State;

namespace Vmm.Devices.Pci;

/// <summary>
/// The two ways to configuration space: the address and data ports of configuration mechanism 1 (PCI Local Bus 3.0 §3.2.2.3.2) and the
/// memory-mapped window (PCI Express 5.0 §7.2.2). It also stands on the bus as function 00:00.0. Byte accesses to port 0xcf9, in the
/// middle of the address register, belong to the reset control register.
/// </summary>
public sealed class PciHostBridge : IBusDevice, IStateful<PciHostBridgeState>
{
    /// <summary>CONFIG_ADDRESS.</summary>
    public const ushort AddressPort = 0xcf8;

    /// <summary>CONFIG_DATA.</summary>
    public const ushort DataPort = 0xcfc;

    /// <summary>Ports of each.</summary>
    public const int PortCount = 4;

    /// <summary>The memory-mapped window of one bus.</summary>
    public const ulong EcamBytes = 1 << 20;

    /// <summary>Tags for <see cref="AddressBus.Attach"/>.</summary>
    public const int AddressRegion = 0, DataRegion = 1, EcamRegion = 2;

    private const int ResetControlOffset = 1;
    private const ushort RedHat = 0x1b36;
    private const ushort GenericHostBridge = 0x0008;
    private const uint HostBridgeClass = 0x060000;

    private readonly PciRootBus _bus;
    private readonly IBusDevice _resetControl;
    private ConfigAddress _address;

    /// <param name="bus">The bus behind it; the bridge takes its device 0.</param>
    /// <param name="resetControl">Who answers byte accesses to port 0xcf9.</param>
    public PciHostBridge(PciRootBus bus, IBusDevice resetControl)
    {
        (_bus, _resetControl) = (bus, resetControl);
        Function = new PciFunction("PCI host bridge", new PciIdentity { VendorId = RedHat, DeviceId = GenericHostBridge, ClassCode = HostBridgeClass });
        bus.Add(Function, 0);
    }

    /// <summary>The bridge as function 00:00.0.</summary>
    public PciFunction Function { get; }

    /// <summary>Attaches all that the guest sees of it.</summary>
    /// <param name="ports">The I/O ports.</param>
    /// <param name="mmio">Memory-mapped I/O.</param>
    /// <param name="ecam">Where the memory-mapped window begins; null where there is none.</param>
    /// <exception cref="ArgumentException">A range is taken.</exception>
    public void AttachTo(AddressBus ports, AddressBus mmio, ulong? ecam)
    {
        ports.Attach(AddressPort, PortCount, this, AddressRegion, "PCI configuration address");
        ports.Attach(DataPort, PortCount, this, DataRegion, "PCI configuration data");
        if (ecam is { } window) mmio.Attach(window, EcamBytes, this, EcamRegion, "PCI configuration window");
    }

    /// <inheritdoc/>
    public BusResult Read(in BusAccess access, Span<byte> data)
    {
        switch (access.Region)
        {
            case AddressRegion when data.Length == PortCount:
                BinaryPrimitives.WriteUInt32LittleEndian(data, _address.Value);
                return BusResult.Ok;
            case AddressRegion when data.Length == 1 && access.Offset == ResetControlOffset:
                return _resetControl.Read(access with { Region = 0, Offset = 0 }, data);
            case AddressRegion:
                data.Fill(0xff);
                return BusResult.Ok;
            case DataRegion:
                if (_address.IsEnabled) _bus.ReadConfig(_address.Function, _address.Register + (int)access.Offset, data);
                else data.Fill(0xff);
                return BusResult.Ok;
            default:
                if (CheckWindow(access, data.Length) is var refused and not BusResult.Ok) return refused;
                _bus.ReadConfig(WindowFunction(access.Offset), (int)access.Offset & (PciRegisters.ExtendedBytes - 1), data);
                return BusResult.Ok;
        }
    }

    /// <inheritdoc/>
    public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data)
    {
        switch (access.Region)
        {
            case AddressRegion when data.Length == PortCount:
                _address = new ConfigAddress(BinaryPrimitives.ReadUInt32LittleEndian(data));
                return BusResult.Ok;
            case AddressRegion when data.Length == 1 && access.Offset == ResetControlOffset:
                return _resetControl.Write(access with { Region = 0, Offset = 0 }, data);
            case AddressRegion:
                // Narrow accesses pass by the register; systems probe with them for the long gone mechanism 2.
                return BusResult.Ok;
            case DataRegion:
                if (_address.IsEnabled) _bus.WriteConfig(_address.Function, _address.Register + (int)access.Offset, data);
                return BusResult.Ok;
            default:
                if (CheckWindow(access, data.Length) is var refused and not BusResult.Ok) return refused;
                _bus.WriteConfig(WindowFunction(access.Offset), (int)access.Offset & (PciRegisters.ExtendedBytes - 1), data);
                return BusResult.Ok;
        }
    }

    /// <inheritdoc/>
    public PciHostBridgeState Save() => new() { ConfigAddress = _address.Value };

    /// <inheritdoc/>
    public void Restore(PciHostBridgeState state)
    {
        if (state.Version != PciHostBridgeState.CurrentVersion)
            throw new StateException($"PCI host bridge: state version {state.Version} cannot be restored");
        _address = new ConfigAddress(state.ConfigAddress);
    }

    private static BusResult CheckWindow(in BusAccess access, int width)
    {
        if (width > sizeof(uint)) return BusResult.BadWidth;
        return (access.Offset & (ulong)(width - 1)) == 0 ? BusResult.Ok : BusResult.Unaligned;
    }

    private static PciAddress WindowFunction(ulong offset)
        => new((byte)(offset >> 20), (byte)((offset >> 15) & (PciAddress.DeviceCount - 1)), (byte)((offset >> 12) & (PciAddress.FunctionCount - 1)));

    /// <summary>CONFIG_ADDRESS: enable, bus, device, function, register; the rest reads as zero.</summary>
    private readonly struct ConfigAddress(uint value)
    {
        private const uint Enable = 1u << 31;
        private const uint Implemented = Enable | 0x00ff_fffc;

        public uint Value { get; } = value & Implemented;

        public bool IsEnabled => (Value & Enable) != 0;

        public PciAddress Function => new((byte)(Value >> 16), (byte)((Value >> 11) & (PciAddress.DeviceCount - 1)), (byte)((Value >> 8) & (PciAddress.FunctionCount - 1)));

        public int Register => (int)(Value & 0xfc);
    }
}
