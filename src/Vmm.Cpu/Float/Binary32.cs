namespace Vmm.Cpu.Float;

/// <summary><see cref="FloatMath"/> on binary32 bit patterns.</summary>
internal static class Binary32
{
    public static uint Add(uint a, uint b, ref FloatContext c) => FloatMath.Add(Unpack(a, c), Unpack(b, c), FloatFormat.Binary32, ref c).To32();

    public static uint Subtract(uint a, uint b, ref FloatContext c) => FloatMath.Subtract(Unpack(a, c), Unpack(b, c), FloatFormat.Binary32, ref c).To32();

    public static uint Multiply(uint a, uint b, ref FloatContext c) => FloatMath.Multiply(Unpack(a, c), Unpack(b, c), FloatFormat.Binary32, ref c).To32();

    public static uint Divide(uint a, uint b, ref FloatContext c) => FloatMath.Divide(Unpack(a, c), Unpack(b, c), FloatFormat.Binary32, ref c).To32();

    public static uint SquareRoot(uint a, ref FloatContext c) => FloatMath.SquareRoot(Unpack(a, c), FloatFormat.Binary32, ref c).To32();

    public static FloatOrder Compare(uint a, uint b, bool signalQuiet, ref FloatContext c) => FloatMath.Compare(Unpack(a, c), Unpack(b, c), signalQuiet, ref c);

    public static uint RoundToIntegral(uint a, FloatRounding rounding, bool reportInexact, ref FloatContext c)
        => FloatMath.RoundToIntegral(Unpack(a, c), rounding, reportInexact, ref c).To32();

    /// <summary>To a signed integer of 16, 32 or 64 bits.</summary>
    public static long ToInteger(uint a, int bits, FloatRounding rounding, ref FloatContext c) => FloatMath.ToInteger(Unpack(a, c), bits, rounding, ref c);

    public static uint FromInt64(long value, ref FloatContext c) => FloatMath.FromInt64(value, FloatFormat.Binary32, ref c).To32();

    /// <summary>CVTSS2SD.</summary>
    public static ulong ToBinary64(uint a, ref FloatContext c) => FloatMath.Convert(Unpack(a, c), FloatFormat.Binary64, ref c).To64();

    private static Unpacked Unpack(uint bits, in FloatContext c) => Unpacked.From32(bits, c.DenormalsAreZero);
}
