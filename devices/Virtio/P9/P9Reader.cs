using System.Buffers.Binary;

namespace Vmm.Devices.Virtio.P9;

/// <summary>Reads the fields of a message. What lies beyond its end reads as zero and makes it bad.</summary>
internal ref struct P9Reader(ReadOnlySpan<byte> message)
{
    private ReadOnlySpan<byte> _rest = message;

    /// <summary>The message was shorter than its fields.</summary>
    public bool IsBad { get; private set; }

    public byte Byte()
    {
        ReadOnlySpan<byte> field = Take(1);
        return field.IsEmpty ? (byte)0 : field[0];
    }

    public ushort Word()
    {
        ReadOnlySpan<byte> field = Take(2);
        return field.IsEmpty ? (ushort)0 : BinaryPrimitives.ReadUInt16LittleEndian(field);
    }

    public uint Double()
    {
        ReadOnlySpan<byte> field = Take(4);
        return field.IsEmpty ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(field);
    }

    public ulong Quad()
    {
        ReadOnlySpan<byte> field = Take(8);
        return field.IsEmpty ? 0 : BinaryPrimitives.ReadUInt64LittleEndian(field);
    }

    /// <summary>A counted text.</summary>
    public ReadOnlySpan<byte> Text() => Take(Word());

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _rest.Length)
        {
            IsBad = true;
            _rest = [];
            return [];
        }

        ReadOnlySpan<byte> field = _rest[..count];
        _rest = _rest[count..];
        return field;
    }
}
