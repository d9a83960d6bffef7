using System.Numerics;
using System.Runtime.CompilerServices;

namespace Vmm.Cpu.Float;

/// <summary>Arithmetic on 128-bit integers as pairs of words, for what <see cref="UInt128"/> does slower or not at all.</summary>
internal static class WideInteger
{
    /// <summary>Shifts right; bits that fall out are remembered in bit 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ShiftRightSticky(ref ulong high, ref ulong low, int count)
    {
        if (count == 0) return;
        if (count < 64)
        {
            ulong lost = low << (64 - count);
            low = (high << (64 - count)) | (low >> count) | (lost != 0 ? 1UL : 0);
            high >>= count;
        }
        else if (count < 128)
        {
            ulong lost = low | (count == 64 ? 0 : high << (128 - count));
            low = (high >> (count - 64)) | (lost != 0 ? 1UL : 0);
            high = 0;
        }
        else
        {
            low = (high | low) != 0 ? 1UL : 0;
            high = 0;
        }
    }

    /// <summary>Shifts left until bit 127 is set; gives the distance. The number must not be zero.</summary>
    public static int Normalize(ref ulong high, ref ulong low)
    {
        if (high == 0)
        {
            int zeros = BitOperations.LeadingZeroCount(low);
            high = low << zeros;
            low = 0;
            return zeros + 64;
        }

        int shift = BitOperations.LeadingZeroCount(high);
        if (shift == 0) return 0;
        high = (high << shift) | (low >> (64 - shift));
        low <<= shift;
        return shift;
    }

    /// <summary>Divides 128 bits by 64: bit 63 of the divisor must be set and <paramref name="high"/> be smaller than it (Knuth, TAOCP vol. 2 §4.3.1, base 2^32).</summary>
    public static ulong Divide(ulong high, ulong low, ulong divisor, out ulong remainder)
    {
        ulong d1 = divisor >> 32, d0 = (uint)divisor;
        ulong q1 = Digit(high, low >> 32, divisor, d1, d0, out ulong r1);
        ulong q0 = Digit(r1, (uint)low, divisor, d1, d0, out remainder);
        return (q1 << 32) | q0;
    }

    private static ulong Digit(ulong high, ulong next, ulong divisor, ulong d1, ulong d0, out ulong remainder)
    {
        ulong q = high / d1;
        ulong rest = high - (q * d1);
        ulong product = q * d0;
        // The estimate is at most two too large.
        while (q >> 32 != 0 || product > ((rest << 32) | next))
        {
            q--;
            product -= d0;
            rest += d1;
            if (rest >> 32 != 0) break;
        }

        remainder = unchecked((high << 32) + next - (q * divisor));
        return q;
    }

    /// <summary>Square root of 128 bits whose top two bits are not both clear: root² + remainder, where the remainder may need 65 bits.</summary>
    public static ulong SquareRoot(ulong high, ulong low, out bool remainderIsZero, out bool remainderExceedsRoot)
    {
        // The root of the upper half by the host, exact after one correction; then one division gives the lower half (P. Zimmermann, Karatsuba square root).
        ulong top = (ulong)Math.Sqrt(high);
        if (top > uint.MaxValue) top = uint.MaxValue;
        while (top * top > high) top--;
        while (high - (top * top) > 2 * top) top++;
        ulong rest = high - (top * top);
        UInt128 numerator = ((UInt128)rest << 32) | (low >> 32);
        ulong twice = 2 * top;
        UInt128 quotient;
        ulong after;
        if (numerator >> 64 == UInt128.Zero)
        {
            quotient = (ulong)numerator / twice;
            after = (ulong)numerator % twice;
        }
        else
        {
            quotient = numerator / twice;
            after = (ulong)(numerator - (quotient * twice));
        }

        UInt128 root = ((UInt128)top << 32) + quotient;
        Int128 remainder = (Int128)(((UInt128)after << 32) | (uint)low) - (Int128)(quotient * quotient);
        while (remainder < 0 || root > ulong.MaxValue)
        {
            remainder += (Int128)((root << 1) - 1);
            root--;
        }

        remainderIsZero = remainder == 0;
        remainderExceedsRoot = remainder > (Int128)root;
        return (ulong)root;
    }
}
