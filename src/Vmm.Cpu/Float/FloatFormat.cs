namespace Vmm.Cpu.Float;

/// <summary>What a result is rounded to: bits of precision (with the leading one) and the exponents of normal numbers.</summary>
internal readonly struct FloatFormat(int precision, int minExponent, int maxExponent)
{
    /// <summary>What is added to or taken from the exponent of a register result after an unmasked underflow or overflow (Intel SDM vol. 1 §8.5.4).</summary>
    public const int WrapExponent = 0x6000;

    private const int ExtendedMin = -16382, ExtendedMax = 16383;

    public int Precision { get; } = precision;

    public int MinExponent { get; } = minExponent;

    public int MaxExponent { get; } = maxExponent;

    /// <summary>A register of the x87 unit: results that leave its range wrap when the exception is unmasked.</summary>
    public bool Wraps => MaxExponent == ExtendedMax;

    public static FloatFormat Binary32 => new(24, -126, 127);

    public static FloatFormat Binary64 => new(53, -1022, 1023);

    public static FloatFormat Extended => new(64, ExtendedMin, ExtendedMax);

    /// <summary>Extended with the precision shortened by the control word's PC field (Intel SDM vol. 1 table 8-2).</summary>
    public static FloatFormat ForPrecisionControl(int pc) => new(pc switch { 0 => 24, 2 => 53, _ => 64 }, ExtendedMin, ExtendedMax);
}
