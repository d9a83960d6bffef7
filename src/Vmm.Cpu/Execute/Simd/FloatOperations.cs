using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Vmm.Cpu.Float;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>The arithmetic of the two-operand floating-point instructions.</summary>
internal static class FloatOperations
{
    internal readonly struct Add : IFloatOperation
    {
        public static bool ZeroIsExact => true;

        public static Vector128<float> Run(Vector128<float> a, Vector128<float> b) => Sse.Add(a, b);

        public static Vector128<double> Run(Vector128<double> a, Vector128<double> b) => Sse2.Add(a, b);

        public static float Run(float a, float b) => a + b;

        public static double Run(double a, double b) => a + b;

        public static uint Compute(uint a, uint b, ref FloatContext c) => Binary32.Add(a, b, ref c);

        public static ulong Compute(ulong a, ulong b, ref FloatContext c) => Binary64.Add(a, b, ref c);
    }

    internal readonly struct Subtract : IFloatOperation
    {
        public static bool ZeroIsExact => true;

        public static Vector128<float> Run(Vector128<float> a, Vector128<float> b) => Sse.Subtract(a, b);

        public static Vector128<double> Run(Vector128<double> a, Vector128<double> b) => Sse2.Subtract(a, b);

        public static float Run(float a, float b) => a - b;

        public static double Run(double a, double b) => a - b;

        public static uint Compute(uint a, uint b, ref FloatContext c) => Binary32.Subtract(a, b, ref c);

        public static ulong Compute(ulong a, ulong b, ref FloatContext c) => Binary64.Subtract(a, b, ref c);
    }

    internal readonly struct Multiply : IFloatOperation
    {
        public static bool ZeroIsExact => false;

        public static Vector128<float> Run(Vector128<float> a, Vector128<float> b) => Sse.Multiply(a, b);

        public static Vector128<double> Run(Vector128<double> a, Vector128<double> b) => Sse2.Multiply(a, b);

        public static float Run(float a, float b) => a * b;

        public static double Run(double a, double b) => a * b;

        public static uint Compute(uint a, uint b, ref FloatContext c) => Binary32.Multiply(a, b, ref c);

        public static ulong Compute(ulong a, ulong b, ref FloatContext c) => Binary64.Multiply(a, b, ref c);
    }

    internal readonly struct Divide : IFloatOperation
    {
        public static bool ZeroIsExact => false;

        public static Vector128<float> Run(Vector128<float> a, Vector128<float> b) => Sse.Divide(a, b);

        public static Vector128<double> Run(Vector128<double> a, Vector128<double> b) => Sse2.Divide(a, b);

        public static float Run(float a, float b) => a / b;

        public static double Run(double a, double b) => a / b;

        public static uint Compute(uint a, uint b, ref FloatContext c) => Binary32.Divide(a, b, ref c);

        public static ulong Compute(ulong a, ulong b, ref FloatContext c) => Binary64.Divide(a, b, ref c);
    }

    /// <summary>The smaller one; the second when they are equal or one is a NaN, which is invalid even when quiet.</summary>
    internal readonly struct Minimum : IFloatOperation
    {
        public static bool ZeroIsExact => true;

        public static Vector128<float> Run(Vector128<float> a, Vector128<float> b) => Sse.Min(a, b);

        public static Vector128<double> Run(Vector128<double> a, Vector128<double> b) => Sse2.Min(a, b);

        public static float Run(float a, float b) => a < b ? a : b;

        public static double Run(double a, double b) => a < b ? a : b;

        public static uint Compute(uint a, uint b, ref FloatContext c) => Choose(a, b, Binary32.Compare(a, b, true, ref c) == FloatOrder.Less, c);

        public static ulong Compute(ulong a, ulong b, ref FloatContext c) => Choose(a, b, Binary64.Compare(a, b, true, ref c) == FloatOrder.Less, c);
    }

    /// <summary>The larger one, with the rules of <see cref="Minimum"/>.</summary>
    internal readonly struct Maximum : IFloatOperation
    {
        public static bool ZeroIsExact => true;

        public static Vector128<float> Run(Vector128<float> a, Vector128<float> b) => Sse.Max(a, b);

        public static Vector128<double> Run(Vector128<double> a, Vector128<double> b) => Sse2.Max(a, b);

        public static float Run(float a, float b) => a > b ? a : b;

        public static double Run(double a, double b) => a > b ? a : b;

        public static uint Compute(uint a, uint b, ref FloatContext c) => Choose(a, b, Binary32.Compare(a, b, true, ref c) == FloatOrder.Greater, c);

        public static ulong Compute(ulong a, ulong b, ref FloatContext c) => Choose(a, b, Binary64.Compare(a, b, true, ref c) == FloatOrder.Greater, c);
    }

    private static uint Choose(uint a, uint b, bool first, in FloatContext c)
    {
        uint chosen = first ? a : b;
        return c.DenormalsAreZero && float.IsSubnormal(BitConverter.UInt32BitsToSingle(chosen)) ? chosen & 1u << 31 : chosen;
    }

    private static ulong Choose(ulong a, ulong b, bool first, in FloatContext c)
    {
        ulong chosen = first ? a : b;
        return c.DenormalsAreZero && double.IsSubnormal(BitConverter.UInt64BitsToDouble(chosen)) ? chosen & 1ul << 63 : chosen;
    }
}
