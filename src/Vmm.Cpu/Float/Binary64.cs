namespace Vmm.Cpu.Float;

/// <summary><see cref="FloatMath"/> on binary64 bit patterns.</summary>
internal static class Binary64
{
    public static ulong Add(ulong a, ulong b, ref FloatContext c) => FloatMath.Add(Unpack(a, c), Unpack(b, c), FloatFormat.Binary64, ref c).To64();

    public static ulong Subtract(ulong a, ulong b, ref FloatContext c) => FloatMath.Subtract(Unpack(a, c), Unpack(b, c), FloatFormat.Binary64, ref c).To64();

    public static ulong Multiply(ulong a, ulong b, ref FloatContext c) => FloatMath.Multiply(Unpack(a, c), Unpack(b, c), FloatFormat.Binary64, ref c).To64();

    public static ulong Divide(ulong a, ulong b, ref FloatContext c) => FloatMath.Divide(Unpack(a, c), Unpack(b, c), FloatFormat.Binary64, ref c).To64();

    public static ulong SquareRoot(ulong a, ref FloatContext c) => FloatMath.SquareRoot(Unpack(a, c), FloatFormat.Binary64, ref c).To64();

    public static FloatOrder Compare(ulong a, ulong b, bool signalQuiet, ref FloatContext c) => FloatMath.Compare(Unpack(a, c), Unpack(b, c), signalQuiet, ref c);

    public static ulong RoundToIntegral(ulong a, FloatRounding rounding, bool reportInexact, ref FloatContext c)
        => FloatMath.RoundToIntegral(Unpack(a, c), rounding, reportInexact, ref c).To64();

    /// <summary>To a signed integer of 16, 32 or 64 bits.</summary>
    public static long ToInteger(ulong a, int bits, FloatRounding rounding, ref FloatContext c) => FloatMath.ToInteger(Unpack(a, c), bits, rounding, ref c);

    public static ulong FromInt64(long value, ref FloatContext c) => FloatMath.FromInt64(value, FloatFormat.Binary64, ref c).To64();

    /// <summary>CVTSD2SS.</summary>
    public static uint ToBinary32(ulong a, ref FloatContext c) => FloatMath.Convert(Unpack(a, c), FloatFormat.Binary32, ref c).To32();

    private static Unpacked Unpack(ulong bits, in FloatContext c) => Unpacked.From64(bits, c.DenormalsAreZero);
}
