using System.Buffers.Binary;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>Operand values: edge cases of every format in between random ones.</summary>
internal static class ValueMixer
{
    private static readonly ulong[] IntegerEdges =
    [
        0, 1, 2, 3, 7, 8, 9, 0xf, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff,
        0x8000_0000, 0x8000_0001, 0xffff_ffff, 0x1_0000_0000, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0x8000_0000_0000_0001,
        0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_fffe, 0xffff_ffff_8000_0000, 0xffff_ffff_7fff_ffff, 0xffff_ffff_ffff_8000,
        0xffff_ffff_ffff_ff80, 0x5555_5555_5555_5555, 0xaaaa_aaaa_aaaa_aaaa, 0x0123_4567_89ab_cdef, 0x9999_9999_9999_9999,
    ];

    private static readonly uint[] SingleEdges =
    [
        0, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 1, 0x8000_0001, 0x007f_ffff, 0x0080_0000, 0x8080_0000, 0x7f7f_ffff, 0xff7f_ffff,
        0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xffbf_ffff, 0x7fff_ffff, 0x4f00_0000, 0xcf00_0000, 0xcf00_0001,
        0x4eff_ffff, 0x5f00_0000, 0xdf00_0000, 0x3f00_0000, 0x3fc0_0000, 0x4020_0000, 0xbf00_0000, 0x3eff_ffff, 0x4b7f_ffff, 0x4380_0000,
        0x0000_0fff, 0x3f7f_ffff, 0x3f80_0001, 0x2000_0000, 0x6000_0000,
    ];

    private static readonly ulong[] DoubleEdges =
    [
        0, 0x8000_0000_0000_0000, 0x3ff0_0000_0000_0000, 0xbff0_0000_0000_0000, 1, 0x8000_0000_0000_0001, 0x000f_ffff_ffff_ffff,
        0x0010_0000_0000_0000, 0x8010_0000_0000_0000, 0x7fef_ffff_ffff_ffff, 0xffef_ffff_ffff_ffff, 0x7ff0_0000_0000_0000,
        0xfff0_0000_0000_0000, 0x7ff8_0000_0000_0000, 0xfff8_0000_0000_0000, 0x7ff0_0000_0000_0001, 0xfff7_ffff_ffff_ffff,
        0x41df_ffff_ffc0_0000, 0x41e0_0000_0000_0000, 0xc1e0_0000_0000_0000, 0xc1e0_0000_0020_0000, 0x41df_ffff_ffe0_0000,
        0x43e0_0000_0000_0000, 0xc3e0_0000_0000_0000, 0x43df_ffff_ffff_ffff, 0x3fe0_0000_0000_0000, 0x3ff8_0000_0000_0000,
        0x4004_0000_0000_0000, 0xbfe0_0000_0000_0000, 0x3fdf_ffff_ffff_ffff, 0x36a0_0000_0000_0000, 0x3690_0000_0000_0000,
        0x380f_ffff_ffff_ffff, 0x47ef_ffff_efff_ffff, 0x47ef_ffff_f000_0000, 0x3fef_ffff_ffff_ffff, 0x3ff0_0000_0000_0001,
    ];

    /// <summary>Sign and exponent, then significand, of extended precision; some are formats that no operation yields.</summary>
    private static readonly (ushort SignExponent, ulong Significand)[] ExtendedEdges =
    [
        (0, 0), (0x8000, 0), (0x3fff, 1UL << 63), (0xbfff, 1UL << 63), (0, 1), (0x8000, 1), (0, 0x7fff_ffff_ffff_ffff), (0, 1UL << 63),
        (1, 1UL << 63), (0x7ffe, ulong.MaxValue), (0xfffe, ulong.MaxValue), (0x7fff, 1UL << 63), (0xffff, 1UL << 63),
        (0x7fff, 3UL << 62), (0xffff, 3UL << 62), (0x7fff, (1UL << 63) | 1), (0xffff, 0xbfff_ffff_ffff_ffff), (0x7fff, 0), (0x7fff, 1),
        (0x3fff, 0x4000_0000_0000_0000), (0x4000, 0), (0x3ffe, 1UL << 63), (0x3fff, 3UL << 62), (0x4000, 0xa000_0000_0000_0000),
        (0x403e, 1UL << 63), (0xc03e, 1UL << 63), (0x403d, ulong.MaxValue), (0x401e, 1UL << 63), (0xc01e, 1UL << 63), (0x400e, 1UL << 63),
        (0x3ffe, 0xffff_ffff_ffff_ffff), (0x3fff, 0x8000_0000_0000_0001), (0x403a, 0xde0b_6b3a_763f_ffff), (0x4000, 0xc90f_daa2_2168_c235),
        (0x3f6a, 1UL << 63), (0x3c01, ulong.MaxValue), (0x3c00, 1UL << 63), (0x43fe, ulong.MaxValue), (0x407e, 0xffff_ff80_0000_0000),
    ];

    public static ulong Integer(ref Rng rng) => rng.Below(8) switch
    {
        0 or 1 or 2 => rng.Pick<ulong>(IntegerEdges),
        3 => 1UL << rng.Below(64),
        4 => (1UL << rng.Below(64)) - 1,
        5 => (ulong)(long)(sbyte)rng.Next(),
        6 => rng.Next() >> rng.Below(64),
        _ => rng.Next(),
    };

    public static uint Single(ref Rng rng) => rng.Below(4) switch
    {
        0 or 1 => rng.Pick<uint>(SingleEdges),
        // Exponents near the bias, so that sums meet and conversions stay in range.
        2 => (uint)((rng.Next() & 0x807f_ffff) | ((ulong)rng.Between(0x70, 0xa2) << 23)),
        _ => (uint)rng.Next(),
    };

    public static ulong Double(ref Rng rng) => rng.Below(4) switch
    {
        0 or 1 => rng.Pick<ulong>(DoubleEdges),
        2 => (rng.Next() & 0x800f_ffff_ffff_ffff) | ((ulong)rng.Between(0x3c0, 0x442) << 52),
        _ => rng.Next(),
    };

    public static void Extended(ref Rng rng, Span<byte> to)
    {
        (ushort signExponent, ulong significand) = rng.Below(4) switch
        {
            0 or 1 => rng.Pick<(ushort, ulong)>(ExtendedEdges),
            2 => ((ushort)((rng.Next() & 0x8000) | (uint)rng.Between(0x3fc0, 0x4042)), rng.Next() | (1UL << 63)),
            _ => ((ushort)rng.Next(), rng.Next() | ((ulong)rng.Below(8) << 63)),
        };
        BinaryPrimitives.WriteUInt64LittleEndian(to, significand);
        BinaryPrimitives.WriteUInt16LittleEndian(to[8..], signExponent);
    }

    /// <summary>Ten bytes of packed decimal, now and then with digits that are none.</summary>
    public static void PackedDecimal(ref Rng rng, Span<byte> to)
    {
        bool valid = rng.Chance(85);
        for (int i = 0; i < 9; i++)
            to[i] = valid ? (byte)(rng.Below(10) | (rng.Below(10) << 4)) : (byte)rng.Next();
        to[9] = rng.Chance(80) ? (byte)(rng.Below(2) << 7) : (byte)rng.Next();
    }

    /// <summary>Sixteen bytes for a vector register or operand, of one element type throughout.</summary>
    public static void Vector(ref Rng rng, Span<byte> to)
    {
        switch (rng.Below(6))
        {
            case 0 or 1:
                for (int i = 0; i < 16; i += 4) BinaryPrimitives.WriteUInt32LittleEndian(to[i..], Single(ref rng));
                break;
            case 2 or 3:
                for (int i = 0; i < 16; i += 8) BinaryPrimitives.WriteUInt64LittleEndian(to[i..], Double(ref rng));
                break;
            case 4:
                for (int i = 0; i < 16; i++) to[i] = (byte)Integer(ref rng);
                break;
            default:
                for (int i = 0; i < 16; i += 8) BinaryPrimitives.WriteUInt64LittleEndian(to[i..], Integer(ref rng));
                break;
        }
    }
}
