namespace Vmm.Cpu.Float;

/// <summary>An 80-bit number as x87 registers and memory hold it: significand with its explicit integer bit, then sign and biased exponent.</summary>
internal readonly record struct Extended(ulong Significand, ushort SignExponent)
{
    public const ushort SignBit = 0x8000, ExponentMask = 0x7fff;

    /// <summary>Bit 63 of the significand.</summary>
    public const ulong IntegerBit = 1UL << 63;

    /// <summary>The real indefinite: what invalid operations return while masked.</summary>
    public static Extended Indefinite => new(0xc000_0000_0000_0000, 0xffff);

    public static Extended Zero => default;

    public static Extended One => new(IntegerBit, 0x3fff);

    public bool Sign => (SignExponent & SignBit) != 0;

    public int BiasedExponent => SignExponent & ExponentMask;
}
