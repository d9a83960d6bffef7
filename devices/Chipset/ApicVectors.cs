using System.Numerics;

namespace Vmm.Devices.Chipset;

/// <summary>256-bit vector sets (IRR, ISR, TMR) inside the register file, 32 vectors in each of eight registers.</summary>
internal static class ApicVectors
{
    private const int Words = 8;

    public static void Set(uint[] registers, int first, byte vector) => registers[first + (vector >> 5)] |= 1u << (vector & 31);

    public static void Clear(uint[] registers, int first, byte vector) => registers[first + (vector >> 5)] &= ~(1u << (vector & 31));

    public static bool Contains(uint[] registers, int first, byte vector) => (registers[first + (vector >> 5)] & (1u << (vector & 31))) != 0;

    /// <summary>The highest vector of the set, or -1.</summary>
    public static int Highest(uint[] registers, int first)
    {
        for (int i = Words - 1; i >= 0; i--)
        {
            uint word = registers[first + i];
            if (word != 0) return i * 32 + BitOperations.Log2(word);
        }

        return -1;
    }
}
