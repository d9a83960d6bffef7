using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>
/// Chooses where each memory operand of an instruction shall lie and finds register values that put it there. Nothing that an
/// instruction may reach is left to chance: it runs in the test's own process.
/// </summary>
internal sealed class OperandPlacer
{
    private const ulong LowerHalfEnd = 0x0000_8000_0000_0000;
    private const ulong UpperHalfStart = 0xffff_8000_0000_0000;

    private readonly InstructionInfoFactory _infos = new();
    private readonly int _bitness;

    public OperandPlacer(int bitness) => _bitness = bitness;

    /// <summary>Bytes that a memory operand of unknown size may have.</summary>
    private const int UnknownSize = 16;

    /// <summary>Linear addresses of the operands of the last <see cref="TryPlace"/>.</summary>
    public List<(ulong Address, MemorySize Size, OpAccess Access)> Operands { get; } = [];

    /// <summary>True when all operands shall lie in readable and writable memory, aligned.</summary>
    public bool AvoidFaults { get; set; }

    /// <summary>A linear address for an operand whose address is part of the code.</summary>
    public ulong ChooseFixed(ref Rng rng, MemorySize size) => Choose(ref rng, SizeOf(size));

    public bool TryPlace(ref Rng rng, in Instruction instruction, ref RegisterState registers)
    {
        Operands.Clear();
        InstructionInfo info = _infos.GetInfo(instruction);
        foreach (UsedMemory memory in info.GetUsedMemory())
        {
            if (!TrySolve(ref rng, memory, ref registers)) return false;
        }

        // A later operand may have moved an earlier one, and two solutions may have wrapped: judge what came out.
        foreach (UsedMemory memory in info.GetUsedMemory())
        {
            ulong address = Evaluate(memory, registers);
            int size = SizeOf(memory.MemorySize);
            if (!IsSafe(address, size) || (AvoidFaults && !OracleLayout.IsWritableData(address, (ulong)size))) return false;
            Operands.Add((address, memory.MemorySize, memory.Access));
        }

        return true;
    }

    private static int SizeOf(MemorySize size) => size.GetSize() is int bytes and > 0 ? bytes : UnknownSize;

    private static bool IsSafe(ulong address, int size) => OracleLayout.InArena(address, (ulong)size) || IsNonCanonical(address, size);

    private static bool IsNonCanonical(ulong address, int size) => address >= LowerHalfEnd + 0x10000 && address <= UpperHalfStart - 0x10000 - (ulong)size;

    private static ulong Mask(in UsedMemory memory) => memory.AddressSize switch
    {
        CodeSize.Code16 => 0xffff,
        CodeSize.Code32 => 0xffff_ffff,
        _ => ulong.MaxValue,
    };


    private ulong Evaluate(in UsedMemory memory, in RegisterState registers)
    {
        ulong offset = registers.Get(memory.Base) + (registers.Get(memory.Index) * (ulong)memory.Scale) + memory.Displacement;
        return (offset & Mask(memory)) + OracleSegments.Base(_bitness, memory.Segment);
    }

    private bool TrySolve(ref Rng rng, in UsedMemory memory, ref RegisterState registers)
    {
        if (memory.Base == Register.None && memory.Index == Register.None) return true;
        ulong target = Choose(ref rng, SizeOf(memory.MemorySize));
        if (!AvoidFaults && memory.AddressSize == CodeSize.Code64 && rng.Chance(2)) target = (rng.Next() & 0x3fff_ffff_ffff) + 0x0001_0000_0000_0000;
        target -= OracleSegments.Base(_bitness, memory.Segment) + memory.Displacement;
        ulong scale = (ulong)memory.Scale;

        if (memory.Base == memory.Index) return TrySet(ref rng, memory, memory.Base, target, scale + 1, ref registers);
        bool isBaseFree = memory.Base != Register.None && !registers.IsPinned(RegisterState.Number(memory.Base));
        if (isBaseFree)
        {
            if (memory.Index != Register.None) registers.Pin(RegisterState.Number(memory.Index));
            return TrySet(ref rng, memory, memory.Base, target - (registers.Get(memory.Index) * scale), 1, ref registers);
        }

        bool isIndexFree = memory.Index is not Register.None and not Register.AL && !registers.IsPinned(RegisterState.Number(memory.Index));
        // With both given by another operand, the final judgement decides.
        return !isIndexFree || TrySet(ref rng, memory, memory.Index, target - registers.Get(memory.Base), scale, ref registers);
    }

    // Solves factor · register = target in the operand's address size, as nearly as the factor allows.
    private static bool TrySet(ref Rng rng, in UsedMemory memory, Register register, ulong target, ulong factor, ref RegisterState registers)
    {
        ulong mask = Mask(memory);
        ulong value = (target & mask) / factor;
        if (mask != ulong.MaxValue) value |= rng.Next() & ~mask;
        return registers.TryPin(RegisterState.Number(register), value);
    }

    private ulong Choose(ref Rng rng, int size)
    {
        int kind = AvoidFaults ? 0 : rng.Below(100);
        ulong page = (ulong)(rng.Chance(75) ? rng.Below(4) : rng.Between(6, 7));
        ulong address = kind switch
        {
            // Across the end of a page, some of them into the read-only page, the hole, or past the data.
            >= 84 and < 92 => OracleLayout.Data + (OracleLayout.PageSize * (ulong)rng.Between(1, 8)) - (ulong)rng.Between(1, Math.Max(1, size - 1)),
            >= 92 and < 95 => OracleLayout.Data + (OracleLayout.PageSize * OracleLayout.ReadOnlyPage) + (ulong)rng.Below(4096 - size),
            >= 95 and < 97 => OracleLayout.Data + (OracleLayout.PageSize * OracleLayout.HolePage) + (ulong)rng.Below(4096 - size),
            97 => OracleLayout.Data - (ulong)rng.Between(0, size),
            _ => OracleLayout.Data + (OracleLayout.PageSize * page) + (ulong)rng.Below(4096 - size),
        };
        bool isSplit = kind is >= 84 and < 92;
        if (isSplit) return address;
        int alignment = size >= 16 ? 16 : Math.Max(1, size & -size);
        return AvoidFaults || rng.Chance(size >= 16 ? 80 : 40) ? address & ~(ulong)(alignment - 1) : address;
    }
}
