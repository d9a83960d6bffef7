using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Vmm.Cpu.Execute;

/// <summary>64 by 64 to 128-bit products. The library's own go through a software fallback where it was compiled for an older processor.</summary>
internal static unsafe class Multiply
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Unsigned(ulong a, ulong b, out ulong low)
    {
        if (!Bmi2.X64.IsSupported) return Math.BigMul(a, b, out low);
        ulong lowPart;
        ulong high = Bmi2.X64.MultiplyNoFlags(a, b, &lowPart);
        low = lowPart;
        return high;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Signed(long a, long b, out long low)
    {
        if ((int)a == a && (int)b == b)
        {
            low = a * b;
            return low >> 63;
        }

        ulong high = Unsigned((ulong)a, (ulong)b, out ulong product);
        low = (long)product;
        return (long)high - ((a >> 63) & b) - ((b >> 63) & a);
    }
}
