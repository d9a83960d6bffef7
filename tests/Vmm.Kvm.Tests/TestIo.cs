using System.Buffers.Binary;
using Vmm.Core.Hypervisor;

namespace Vmm.Kvm.Tests;

/// <summary>Records what a guest does and answers its reads. A write to <see cref="DonePort"/> ends the run.</summary>
internal sealed class TestIo : IVcpuIo
{
    public const ushort DonePort = 0xf4;

    public enum Kind
    {
        PortIn,
        PortOut,
        MmioRead,
        MmioWrite,
    }

    public readonly record struct Access(Kind Kind, ulong Address, int Size, ulong Value);

    public List<Access> Log { get; } = [];

    /// <summary>Called for a write to <see cref="DonePort"/>.</summary>
    public Action? Done { get; set; }

    /// <summary>Called for every other port write, after it was recorded.</summary>
    public Action<ushort, ulong>? Out { get; set; }

    /// <summary>What reads give, cut to the size.</summary>
    public ulong ReadValue { get; set; } = 0x8877665544332211;

    public IEnumerable<ulong> OutValues(ushort port) => Log.Where(a => a.Kind == Kind.PortOut && a.Address == port).Select(a => a.Value);

    public void PortIn(ushort port, Span<byte> data) => Read(Kind.PortIn, port, data);

    public void PortOut(ushort port, ReadOnlySpan<byte> data)
    {
        if (port == DonePort)
        {
            Done?.Invoke();
            return;
        }

        Write(Kind.PortOut, port, data);
        Out?.Invoke(port, Log[^1].Value);
    }

    public void MmioRead(ulong gpa, Span<byte> data) => Read(Kind.MmioRead, gpa, data);

    public void MmioWrite(ulong gpa, ReadOnlySpan<byte> data) => Write(Kind.MmioWrite, gpa, data);

    private void Read(Kind kind, ulong address, Span<byte> data)
    {
        Span<byte> value = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(value, ReadValue);
        value[..data.Length].CopyTo(data);
        Log.Add(new Access(kind, address, data.Length, 0));
    }

    private void Write(Kind kind, ulong address, ReadOnlySpan<byte> data)
    {
        Span<byte> value = stackalloc byte[8];
        value.Clear();
        data.CopyTo(value);
        Log.Add(new Access(kind, address, data.Length, BinaryPrimitives.ReadUInt64LittleEndian(value)));
    }
}
