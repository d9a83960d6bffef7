using System.Buffers.Binary;
using Vmm.Core.Backends.Files;
using static Vmm.Devices.Virtio.P9.P9Constants;

namespace Vmm.Devices.Virtio.P9;

/// <summary>Writes the fields of an answer into a buffer that is large enough for each.</summary>
internal ref struct P9Writer(Span<byte> buffer)
{
    private readonly Span<byte> _buffer = buffer;

    /// <summary>Bytes that were written.</summary>
    public int Length { get; private set; }

    public void Byte(byte value) => _buffer[Length++] = value;

    public void Word(ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer[Length..], value);
        Length += 2;
    }

    public void Double(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer[Length..], value);
        Length += 4;
    }

    public void Quad(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_buffer[Length..], value);
        Length += 8;
    }

    public void Text(ReadOnlySpan<byte> text)
    {
        Word((ushort)text.Length);
        text.CopyTo(_buffer[Length..]);
        Length += text.Length;
    }

    public void Qid(in NodeIdentity identity)
    {
        Byte(identity.Kind switch
        {
            NodeKind.Directory => QTDIR,
            NodeKind.SymbolicLink => QTSYMLINK,
            _ => QTFILE,
        });
        Double(identity.Version);
        Quad(identity.Number);
    }

    public void Time(NodeTime time)
    {
        Quad((ulong)time.Seconds);
        Quad(time.Nanoseconds);
    }
}
