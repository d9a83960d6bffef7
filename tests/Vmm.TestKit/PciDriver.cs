namespace Vmm.TestKit;

/// <summary>Configuration accesses as a guest makes them, through ports 0xcf8 and 0xcfc.</summary>
/// <param name="guest">The CPU.</param>
/// <param name="device">0 to 31 on bus 0.</param>
/// <param name="function">0 to 7.</param>
public sealed class PciDriver(GuestDriver guest, int device, int function = 0)
{
    private const ushort AddressPort = 0xcf8, DataPort = 0xcfc;
    private const uint Enable = 1u << 31;
    private const int CommandRegister = 4, Bar0 = 0x10, CapabilitiesPointer = 0x34;

    public byte Read8(int offset)
    {
        Select(offset);
        return guest.In8((ushort)(DataPort + (offset & 3)));
    }

    public ushort Read16(int offset)
    {
        Select(offset);
        return guest.In16((ushort)(DataPort + (offset & 3)));
    }

    public uint Read32(int offset)
    {
        Select(offset);
        return guest.In32(DataPort);
    }

    public void Write8(int offset, byte value)
    {
        Select(offset);
        guest.Out8((ushort)(DataPort + (offset & 3)), value);
    }

    public void Write16(int offset, ushort value)
    {
        Select(offset);
        guest.Out16((ushort)(DataPort + (offset & 3)), value);
    }

    public void Write32(int offset, uint value)
    {
        Select(offset);
        guest.Out32(DataPort, value);
    }

    /// <summary>Sets the command register: 1 ports, 2 memory, 4 bus master, 0x400 no wire.</summary>
    public void Command(ushort value) => Write16(CommandRegister, value);

    /// <summary>Where a memory BAR is.</summary>
    public ulong BarAddress(int index)
    {
        uint low = Read32(Bar0 + 4 * index);
        ulong high = (low & 6) == 4 ? Read32(Bar0 + 4 * index + 4) : 0;
        return (high << 32) | (low & ~0xfu);
    }

    /// <summary>The capabilities in the order of the list: id and offset.</summary>
    public List<(byte Id, int Offset)> Capabilities()
    {
        List<(byte, int)> found = [];
        for (int at = Read8(CapabilitiesPointer); at != 0 && found.Count < 48; at = Read8(at + 1)) found.Add((Read8(at), at));
        return found;
    }

    private void Select(int offset) => guest.Out32(AddressPort, Enable | ((uint)device << 11) | ((uint)function << 8) | (uint)(offset & 0xfc));
}
