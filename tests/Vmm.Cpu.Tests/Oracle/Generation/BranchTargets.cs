using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>Where branches under test may go: never into their own bytes, which would be another instruction or a loop.</summary>
internal static class BranchTargets
{
    /// <summary>A relative branch's displacement.</summary>
    public static ulong ChooseOffset(ref Rng rng, in Instruction instruction, int bitness, uint address, int size)
    {
        uint end = address + (uint)instruction.Length;
        if (size == 1)
        {
            // Anywhere in reach but for the instruction itself and the way out behind it.
            int back = -128 + rng.Below(Math.Max(1, 128 - instruction.Length));
            return (ulong)(rng.Chance(50) ? back : rng.Between(16, 127));
        }

        return Choose(ref rng, bitness, address) - end;
    }

    /// <summary>Mostly a HLT among the code pages; sometimes data, which must not be executable, or nothing at all.</summary>
    public static ulong Choose(ref Rng rng, int bitness, uint address)
    {
        // In a 16-bit segment any other address would wrap to some code.
        int kind = bitness == 16 ? -1 : rng.Below(20);
        if (kind == 0) return OracleLayout.Data + (ulong)rng.Below((int)OracleLayout.DataSize);
        if (kind == 1) return OracleLayout.Data + OracleLayout.DataSize + (ulong)rng.Below(4096);
        uint target = OracleLayout.Code + (uint)rng.Below((int)OracleLayout.CodeSize);
        return target - address + 32 < 80 ? address + 64 : target;
    }

    /// <summary>A displacement from <paramref name="end"/> to a HLT further on.</summary>
    public static ulong ChooseForward(ref Rng rng, uint end, int size)
        => (ulong)(size == 1 ? rng.Between(16, 127) : rng.Between(16, (int)(OracleLayout.Code + OracleLayout.CodeSize - end) - 1));
}
