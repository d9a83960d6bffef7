namespace Vmm.Cpu.Tests.Float;

/// <summary>Floating-point patterns that meet the corners often: special values, neighbouring exponents, long runs of ones or zeros.</summary>
internal sealed class OperandGenerator(int seed)
{
    private readonly Random _random = new(seed);
    private int _lastExponent;

    public Random Random => _random;

    public ulong Next64() => Next(11, 52);

    public uint Next32() => (uint)Next(8, 23);

    /// <summary>Significand and sign with exponent of an 80-bit pattern; one in 16 has an arbitrary integer bit.</summary>
    public (ulong Significand, ushort SignExponent) Next80()
    {
        ushort signExponent = (ushort)(Exponent(15) | (_random.Next(2) << 15));
        ulong significand = Fraction(63);
        bool integer = (signExponent & 0x7fff) != 0;
        if (_random.Next(16) == 0) integer = !integer;
        return (significand | (integer ? 1UL << 63 : 0), signExponent);
    }

    private ulong Next(int exponentBits, int fractionBits)
        => (ulong)_random.Next(2) << (exponentBits + fractionBits) | (ulong)Exponent(exponentBits) << fractionBits | Fraction(fractionBits);

    private int Exponent(int bits)
    {
        int max = (1 << bits) - 1, bias = max >> 1;
        int exponent = _random.Next(10) switch
        {
            0 => 0,
            1 => max,
            2 => _random.Next(3),
            3 => max - _random.Next(3),
            4 or 5 => bias + _random.Next(-70, 70),
            6 or 7 => _lastExponent + _random.Next(-2, 3),
            8 => _lastExponent + _random.Next(-70, 70),
            _ => _random.Next(max + 1),
        };
        _lastExponent = Math.Clamp(exponent, 0, max);
        return _lastExponent;
    }

    private ulong Fraction(int bits)
    {
        ulong all = (1UL << bits) - 1;
        ulong random = (ulong)_random.NextInt64() << 1 ^ (ulong)_random.NextInt64();
        ulong fraction = _random.Next(10) switch
        {
            0 => 0,
            1 => all,
            2 => 1UL << _random.Next(bits),
            3 => all << _random.Next(bits),
            4 => all >> _random.Next(bits),
            5 => (1UL << _random.Next(bits)) | (1UL << _random.Next(bits)),
            6 => random & (all << _random.Next(bits)),
            _ => random,
        };
        return fraction & all;
    }
}
