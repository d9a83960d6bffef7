using System.Runtime.InteropServices;

namespace Vmm.Cpu.Decode;

/// <summary>
/// One decoded step. An instruction is one to a few of them: load the memory operand into a temporary, operate on registers, store.
/// Effective address: <c>R[Base] + (R[Index] &lt;&lt; Scale) + Disp</c>.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Op
{
    /// <summary>Dispatch code; <see cref="OpCode.Call"/> and <see cref="OpCode.CallEnd"/> go to <see cref="Handler"/>.</summary>
    public OpCode Code;

    /// <summary>Destination (register index, XMM slot, or whatever the handler takes).</summary>
    public byte A;

    /// <summary>Source.</summary>
    public byte B;

    public byte Base;
    public byte Index;
    public byte Scale;

    /// <summary>Operand size in bytes, where the code does not say.</summary>
    public byte Size;

    public int Disp;

    /// <summary>Bytes from the start of the block to the instruction that this step belongs to.</summary>
    public byte Offset;

    /// <summary>Length of that instruction in bytes.</summary>
    public byte Length;

    /// <summary>Small argument: condition, segment, kind, prefixes.</summary>
    public byte C;

    /// <summary><see cref="OpFlags"/>.</summary>
    public OpFlags Flags;

    /// <summary>Immediate, branch target relative to the block's start, or linked block.</summary>
    public long Imm;

    /// <summary>For <see cref="OpCode.Call"/> and <see cref="OpCode.CallEnd"/>.</summary>
    public delegate*<Cpu, Op*, bool> Handler;
}
