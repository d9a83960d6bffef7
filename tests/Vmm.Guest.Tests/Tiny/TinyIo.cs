using System.Buffers.Binary;
using Vmm.Core.Bus;
using Vmm.Core.Hypervisor;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>The I/O of one vCPU of a tiny guest: chips where a bus has some, else everything is written down.</summary>
internal sealed class TinyIo(AddressBus ports, AddressBus mmio, int vcpu) : IVcpuIo
{
    /// <summary>A write ends the run.</summary>
    public const ushort DonePort = 0xf4;

    private const int MaxLog = 4096;

    public enum Kind
    {
        PortIn,
        PortOut,
        MmioRead,
        MmioWrite,
    }

    public readonly record struct Access(Kind Kind, ulong Address, int Size, ulong Value);

    /// <summary>What nobody on the buses took; the first few thousand.</summary>
    public List<Access> Log { get; } = [];

    /// <summary>Off: nothing is written down (runs that count allocations, or hostile code).</summary>
    public bool Records { get; set; } = true;

    /// <summary>Called for a write to <see cref="DonePort"/>.</summary>
    public Action? Done { get; set; }

    /// <summary>Called for every other port write.</summary>
    public Action<ushort, ulong>? Out { get; set; }

    /// <summary>What reads give, cut to the size.</summary>
    public ulong ReadValue { get; set; } = 0x8877665544332211;

    /// <summary>Values written to a port, in order.</summary>
    public IEnumerable<ulong> Outs(ushort port) => Log.Where(a => a.Kind == Kind.PortOut && a.Address == port).Select(a => a.Value);

    public void PortIn(ushort port, Span<byte> data)
    {
        if (!ports.Read(port, data, vcpu)) Read(Kind.PortIn, port, data);
    }

    public void PortOut(ushort port, ReadOnlySpan<byte> data)
    {
        if (port == DonePort)
        {
            Done?.Invoke();
            return;
        }

        if (ports.Write(port, data, vcpu)) return;
        ulong value = Write(Kind.PortOut, port, data);
        Out?.Invoke(port, value);
    }

    public void MmioRead(ulong gpa, Span<byte> data)
    {
        if (!mmio.Read(gpa, data, vcpu)) Read(Kind.MmioRead, gpa, data);
    }

    public void MmioWrite(ulong gpa, ReadOnlySpan<byte> data)
    {
        if (!mmio.Write(gpa, data, vcpu)) Write(Kind.MmioWrite, gpa, data);
    }

    private void Read(Kind kind, ulong address, Span<byte> data)
    {
        Span<byte> value = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(value, ReadValue);
        value[..data.Length].CopyTo(data);
        if (Records && Log.Count < MaxLog) Log.Add(new Access(kind, address, data.Length, 0));
    }

    private ulong Write(Kind kind, ulong address, ReadOnlySpan<byte> data)
    {
        Span<byte> bytes = stackalloc byte[8];
        bytes.Clear();
        data.CopyTo(bytes);
        ulong value = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        if (Records && Log.Count < MaxLog) Log.Add(new Access(kind, address, data.Length, value));
        return value;
    }
}
