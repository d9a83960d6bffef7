using System.Buffers.Binary;
using Vmm.Core.Bus;

namespace Vmm.TestKit;

/// <summary>Plays the guest: port and memory accesses of one vCPU, without a CPU.</summary>
public sealed class GuestDriver(int vcpu = 0)
{
    public AddressBus Ports { get; init; } = AddressBus.Ports();

    public AddressBus Mmio { get; init; } = AddressBus.Mmio();

    /// <summary>The same machine seen from another vCPU.</summary>
    public GuestDriver On(int otherVcpu) => new(otherVcpu) { Ports = Ports, Mmio = Mmio };

    public byte In8(ushort port) => (byte)In(port, 1);

    public ushort In16(ushort port) => (ushort)In(port, 2);

    public uint In32(ushort port) => In(port, 4);

    public void Out8(ushort port, byte value) => Out(port, value, 1);

    public void Out16(ushort port, ushort value) => Out(port, value, 2);

    public void Out32(ushort port, uint value) => Out(port, value, 4);

    public uint Load32(ulong address)
    {
        Span<byte> data = stackalloc byte[4];
        Mmio.Read(address, data, vcpu);
        return BinaryPrimitives.ReadUInt32LittleEndian(data);
    }

    public void Store32(ulong address, uint value)
    {
        Span<byte> data = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(data, value);
        Mmio.Write(address, data, vcpu);
    }

    public ulong Load(ulong address, int width)
    {
        Span<byte> data = stackalloc byte[8];
        data.Clear();
        Mmio.Read(address, data[..width], vcpu);
        return BinaryPrimitives.ReadUInt64LittleEndian(data);
    }

    public void Store(ulong address, ulong value, int width)
    {
        Span<byte> data = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(data, value);
        Mmio.Write(address, data[..width], vcpu);
    }

    private uint In(ushort port, int width)
    {
        Span<byte> data = stackalloc byte[4];
        data.Clear();
        Ports.Read(port, data[..width], vcpu);
        return BinaryPrimitives.ReadUInt32LittleEndian(data);
    }

    private void Out(ushort port, uint value, int width)
    {
        Span<byte> data = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(data, value);
        Ports.Write(port, data[..width], vcpu);
    }
}
