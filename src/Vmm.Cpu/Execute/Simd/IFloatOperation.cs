using System.Runtime.Intrinsics;
using Vmm.Cpu.Float;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>
/// A two-operand instruction's arithmetic, twice: with the host's instruction (round to nearest, all exceptions masked), and exactly,
/// in software, with every flag.
/// </summary>
internal interface IFloatOperation
{
    /// <summary>A zero result is always exact: nothing can have underflowed to it.</summary>
    static abstract bool ZeroIsExact { get; }

    static abstract Vector128<float> Run(Vector128<float> a, Vector128<float> b);

    static abstract Vector128<double> Run(Vector128<double> a, Vector128<double> b);

    static abstract float Run(float a, float b);

    static abstract double Run(double a, double b);

    static abstract uint Compute(uint a, uint b, ref FloatContext c);

    static abstract ulong Compute(ulong a, ulong b, ref FloatContext c);
}
