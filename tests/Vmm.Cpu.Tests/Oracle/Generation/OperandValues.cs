using System.Buffers.Binary;
using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>Fills data memory and memory operands with values that suit their type.</summary>
internal static class OperandValues
{
    /// <summary>The data pages that every case of a run starts from.</summary>
    public static void FillBackground(ref Rng rng, Span<byte> data)
    {
        for (int at = 0; at < data.Length; at += 16)
        {
            Span<byte> slot = data.Slice(at, 16);
            switch (rng.Below(4))
            {
                case 0: slot.Clear(); break;
                case 1: slot.Fill((byte)rng.Next()); break;
                default: ValueMixer.Vector(ref rng, slot); break;
            }
        }
    }

    /// <summary>Puts a telling value where an operand lies. Parts outside of the data pages are left out.</summary>
    public static void Poke(ref Rng rng, Span<byte> data, ulong address, MemorySize size)
    {
        Span<byte> value = stackalloc byte[16];
        int count = Math.Min(size.GetSize(), 16);
        switch (size)
        {
            case MemorySize.Float32: BinaryPrimitives.WriteUInt32LittleEndian(value, ValueMixer.Single(ref rng)); break;
            case MemorySize.Float64: BinaryPrimitives.WriteUInt64LittleEndian(value, ValueMixer.Double(ref rng)); break;
            case MemorySize.Float80: ValueMixer.Extended(ref rng, value); break;
            case MemorySize.Bcd: ValueMixer.PackedDecimal(ref rng, value); break;
            default:
                if (count <= 8) BinaryPrimitives.WriteUInt64LittleEndian(value, ValueMixer.Integer(ref rng));
                else ValueMixer.Vector(ref rng, value);
                break;
        }

        Write(data, address, value[..count]);
    }

    /// <summary>Writes bytes at a linear address, as far as they lie in the data pages.</summary>
    public static void Write(Span<byte> data, ulong address, ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            ulong at = address + (ulong)i - OracleLayout.Data;
            if (at < (ulong)data.Length) data[(int)at] = bytes[i];
        }
    }

    public static void Write64(Span<byte> data, ulong address, ulong value, int count = 8)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        Write(data, address, bytes[..count]);
    }

    public static ulong Read64(ReadOnlySpan<byte> data, ulong address)
    {
        ulong at = address - OracleLayout.Data;
        return at <= (ulong)data.Length - 8 ? BinaryPrimitives.ReadUInt64LittleEndian(data[(int)at..]) : 0;
    }
}
