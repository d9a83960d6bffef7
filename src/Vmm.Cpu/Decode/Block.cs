using Vmm.Cpu.State;

namespace Vmm.Cpu.Decode;

/// <summary>Decoded instructions of one physical page, in the decode arena; the steps follow the header.</summary>
internal unsafe struct Block
{
    /// <summary><see cref="Physical"/> of a block that is used once and not kept: nothing may link to it.</summary>
    public const ulong NotKept = ulong.MaxValue;

    /// <summary>Physical address of the first byte.</summary>
    public ulong Physical;

    /// <summary>Next block of the same hash bucket.</summary>
    public Block* HashNext;

    /// <summary>Next block of the same page.</summary>
    public Block* PageNext;

    /// <summary>Block at the target of the final direct branch, once known; only within the page.</summary>
    public Block* Taken;

    /// <summary>Block behind the final instruction, once known; only within the page.</summary>
    public Block* FallThrough;

    public CpuMode Mode;

    /// <summary>Length in bytes, at most 255 but for the last instruction.</summary>
    public ushort ByteLength;

    public ushort InstructionCount;

    public static Op* Ops(Block* block) => (Op*)(block + 1);
}
