using System.Buffers.Binary;

namespace Vmm.Fuzz;

/// <summary>Changes seeds at random: bits, numbers at the edges of their types, pieces moved, cut and joined.</summary>
public sealed class FuzzMutator(Random random, IReadOnlyList<byte[]> seeds, int mostBytes)
{
    private static readonly long[] Edges =
    [
        0, 1, 2, -1, -2, 0x7f, 0x80, 0xff, 0x100, 0x200, 0x1ff, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x10_0000, 0x7fff_ffff, 0x8000_0000,
        0xffff_ffff, 0x1_0000_0000, 1L << 48, 1L << 55, 1L << 62, long.MaxValue, long.MinValue,
    ];

    /// <summary>A new input.</summary>
    public byte[] Next()
    {
        byte[] bytes = [.. seeds[random.Next(seeds.Count)]];
        int changes = 1 << random.Next(5);
        for (int i = 0; i < changes; i++) bytes = Change(bytes);
        return bytes.Length <= mostBytes ? bytes : bytes[..mostBytes];
    }

    private byte[] Change(byte[] bytes)
    {
        if (bytes.Length == 0) return [(byte)random.Next(256)];
        switch (random.Next(24))
        {
            case 0: return bytes[..random.Next(bytes.Length + 1)];
            case 1: return [.. bytes, .. new byte[random.Next(1, 600)]];
            case 2: return Join(bytes);
            case 3: return Repeat(bytes);
            case 4: return Cut(bytes);
            case 5 or 6: CopyWithin(bytes); return bytes;
            case < 12: bytes[Place(bytes)] ^= (byte)(1 << random.Next(8)); return bytes;
            case < 15: bytes[Place(bytes)] = (byte)random.Next(256); return bytes;
            case < 18: Add(bytes); return bytes;
            default: SetNumber(bytes); return bytes;
        }
    }

    // Headers are at the front, and most of what is parsed is aligned.
    private int Place(byte[] bytes)
    {
        int at = random.Next(2) == 0 ? random.Next(Math.Min(bytes.Length, 128)) : random.Next(bytes.Length);
        return random.Next(2) == 0 ? at : at & ~7;
    }

    private void SetNumber(byte[] bytes)
    {
        Span<byte> number = stackalloc byte[8];
        long value = Edges[random.Next(Edges.Length)] + (random.Next(3) == 0 ? random.Next(-16, 17) : 0);
        int width = 1 << random.Next(4);
        Encode(number, width, value);
        int at = Place(bytes);
        number[..Math.Min(width, bytes.Length - at)].CopyTo(bytes.AsSpan(at));
    }

    private void Add(byte[] bytes)
    {
        int width = 1 << random.Next(4);
        int at = Place(bytes);
        if (at + width > bytes.Length) return;
        Span<byte> place = bytes.AsSpan(at, width);
        bool isBig = random.Next(2) == 0;
        if (isBig) place.Reverse();
        Span<byte> number = stackalloc byte[8];
        number.Clear();
        place.CopyTo(number);
        BinaryPrimitives.WriteInt64LittleEndian(number, BinaryPrimitives.ReadInt64LittleEndian(number) + random.Next(-35, 36));
        number[..width].CopyTo(place);
        if (isBig) place.Reverse();
    }

    private void Encode(Span<byte> number, int width, long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(number, value);
        if (random.Next(2) == 0) number[..width].Reverse();
    }

    private void CopyWithin(byte[] bytes)
    {
        int count = random.Next(1, Math.Min(bytes.Length, 64) + 1);
        bytes.AsSpan(random.Next(bytes.Length - count + 1), count).CopyTo(bytes.AsSpan(random.Next(bytes.Length - count + 1)));
    }

    private byte[] Join(byte[] bytes)
    {
        byte[] other = seeds[random.Next(seeds.Count)];
        return [.. bytes.AsSpan(0, random.Next(bytes.Length + 1)), .. other.AsSpan(random.Next(other.Length + 1))];
    }

    private byte[] Repeat(byte[] bytes)
    {
        int from = random.Next(bytes.Length);
        int count = random.Next(1, Math.Min(bytes.Length - from, 512) + 1);
        return [.. bytes.AsSpan(0, from + count), .. bytes.AsSpan(from, count), .. bytes.AsSpan(from + count)];
    }

    private byte[] Cut(byte[] bytes)
    {
        int from = random.Next(bytes.Length);
        int count = random.Next(1, Math.Min(bytes.Length - from, 512) + 1);
        return [.. bytes.AsSpan(0, from), .. bytes.AsSpan(from + count)];
    }
}
