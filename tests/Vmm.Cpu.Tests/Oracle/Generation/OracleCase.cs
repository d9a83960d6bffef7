using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>One experiment: code, registers and data. Reused from case to case.</summary>
internal sealed class OracleCase
{
    public const int MaxInstructions = 8;

    /// <summary>What it takes to print the case and to make it again.</summary>
    public ulong Seed { get; set; }
    public long Index { get; set; }

    public int Bitness { get; set; } = 64;
    public Instruction[] Instructions { get; } = new Instruction[MaxInstructions];
    public int InstructionCount { get; set; }

    /// <summary>The code, at linear address <see cref="Address"/>.</summary>
    public byte[] Bytes { get; } = new byte[16 * MaxInstructions];
    public int Length { get; set; }
    public uint Address { get; set; }

    /// <summary>Registers at the start. RIP is an offset in the code segment.</summary>
    public MachineImage Input;

    /// <summary>The data pages at the start.</summary>
    public byte[] Data { get; } = new byte[OracleLayout.DataSize];

    /// <summary>Linear address of the first memory operand of a single instruction; 0 without one.</summary>
    public ulong OperandAddress { get; set; }

    /// <summary>The instruction that the case is about; in a sequence, the last.</summary>
    public ref readonly Instruction Subject => ref Instructions[InstructionCount - 1];

    public ReadOnlySpan<byte> Code => Bytes.AsSpan(0, Length);

    /// <summary>True for an address in the case's own code, end not included.</summary>
    public bool Owns(ulong linear) => linear - Address < (ulong)Length;
}
