using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vmm.Cpu.Float;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute.Simd;

/// <summary>
/// When the host's own instruction gives what the guest's MXCSR asks for. The host always rounds to nearest with exceptions masked and
/// does not tell its flags; so its result counts only when no flag could come that is not set already: operands are zero or normal,
/// the result is zero or well within the normal numbers, and inexactness (the one flag left) is sticky in the guest's MXCSR and masked.
/// FTZ and DAZ make no difference then. Everything else is computed in software.
/// </summary>
internal static unsafe class FloatUnit
{
    private const uint Max32 = 0x7fffffff, Infinity32 = 0x7f800000, Normal32 = 0x00800000;
    private const ulong Max64 = 0x7fffffffffffffff, Infinity64 = 0x7ff0000000000000, Normal64 = 0x0010000000000000;

    /// <summary>Rounding is to nearest, and an inexact result changes nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsHostLike(Cpu cpu) => (cpu.S->Mxcsr & (Mxcsr.RC | Mxcsr.PE | Mxcsr.PM)) == (Mxcsr.PE | Mxcsr.PM);

    /// <summary>An inexact result changes nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IgnoresInexact(Cpu cpu) => (cpu.S->Mxcsr & (Mxcsr.PE | Mxcsr.PM)) == (Mxcsr.PE | Mxcsr.PM);

    /// <summary>Zero or a normal number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsPlain(float value)
    {
        uint magnitude = BitConverter.SingleToUInt32Bits(value) & Max32;
        return magnitude - Normal32 < Infinity32 - Normal32 || magnitude == 0;
    }

    /// <summary>Zero or a normal number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsPlain(double value)
    {
        ulong magnitude = BitConverter.DoubleToUInt64Bits(value) & Max64;
        return magnitude - Normal64 < Infinity64 - Normal64 || magnitude == 0;
    }

    /// <summary>A normal number, and not the smallest one, to which a tiny result may have been rounded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsSafe(float value) => (BitConverter.SingleToUInt32Bits(value) & Max32) - (Normal32 + 1) < Infinity32 - (Normal32 + 1);

    /// <summary>A normal number, and not the smallest one, to which a tiny result may have been rounded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsSafe(double value) => (BitConverter.DoubleToUInt64Bits(value) & Max64) - (Normal64 + 1) < Infinity64 - (Normal64 + 1);

    /// <summary>Each is zero or a normal number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ArePlain(Vector128<float> values)
    {
        Vector128<int> magnitudes = values.AsInt32() & Vector128.Create((int)Max32);
        Vector128<int> normal = Vector128.GreaterThan(magnitudes, Vector128.Create((int)Normal32 - 1)) & Vector128.LessThan(magnitudes, Vector128.Create((int)Infinity32));
        return (normal | Vector128.Equals(magnitudes, default)) == Vector128<int>.AllBitsSet;
    }

    /// <summary>Each is zero or a normal number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ArePlain(Vector128<double> values) => IsPlain(values.GetElement(0)) && IsPlain(values.GetElement(1));

    /// <summary>Each is safe (see <see cref="IsSafe(float)"/>), or zero where <paramref name="mayBeZero"/> is all ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AreSafe(Vector128<float> values, Vector128<float> mayBeZero)
    {
        Vector128<int> magnitudes = values.AsInt32() & Vector128.Create((int)Max32);
        Vector128<int> normal = Vector128.GreaterThan(magnitudes, Vector128.Create((int)Normal32)) & Vector128.LessThan(magnitudes, Vector128.Create((int)Infinity32));
        return (normal | (Vector128.Equals(magnitudes, default) & mayBeZero.AsInt32())) == Vector128<int>.AllBitsSet;
    }

    /// <summary>
    /// Ends a computation in software: its flags go to MXCSR, and an unmasked one raises #XM (#UD while CR4.OSXMMEXCPT is clear).
    /// False: the destination must stay as it was.
    /// </summary>
    public static bool Commit(Cpu cpu, in FloatContext c)
    {
        FloatFlags flags = c.FaultsBefore ? c.Flags & FloatFlags.BeforeComputation : c.Flags;
        cpu.S->Mxcsr |= (uint)flags;
        if (!c.Faults) return true;
        return cpu.Raise((cpu.S->Cr4 & Cr4.OSXMMEXCPT) != 0 ? Vector.XM : Vector.UD);
    }
}
