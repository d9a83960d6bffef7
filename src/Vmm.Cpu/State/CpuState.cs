using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Vmm.Core.Hypervisor;

namespace Vmm.Cpu.State;

/// <summary>
/// The registers of one software vCPU, in native memory so that the interpreter (and a translator later) reach them by fixed offsets.
/// The status flags are lazy: see <see cref="Flags"/>.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CpuState
{
    /// <summary>General registers and address pseudo-registers, indexed by <see cref="Reg"/>.</summary>
    public fixed ulong R[Reg.Count];

    /// <summary>XMM0 to XMM15, then two temporaries of one instruction (<see cref="XmmTemp"/>); 16-byte aligned, as the state itself is.</summary>
    private fixed ulong _xmm[(16 + 2) * 2];

    /// <summary>The last arithmetic result, sign-extended to 64 bits: ZF, SF and PF come from it.</summary>
    public ulong FlagsResult;

    /// <summary>Bit 63 CF, bit 62 CF xor OF, bit 3 AF; bits 8 to 15 and 16 correct PF and SF where a result cannot express them.</summary>
    public ulong FlagsAux;

    /// <summary>RFLAGS without the six status flags.</summary>
    public uint SystemFlags;

    /// <summary><see cref="State.Pending"/>, changed with interlocked operations only.</summary>
    public int Pending;

    /// <summary>Next instruction, valid outside blocks.</summary>
    public ulong Rip;

    /// <summary>The instruction that <see cref="InterruptShadow"/> is for; anywhere else it is over.</summary>
    public ulong ShadowRip;

    /// <summary>The translations in force for data: supervisor, supervisor with user pages closed (SMAP), or user.</summary>
    public TlbEntry* Tlb;

    /// <summary>Host address behind a read-modify-write under way, or null when <see cref="RmwLinear"/> must be stored to the slow way.</summary>
    public byte* RmwPointer;
    public ulong RmwLinear;

    public CpuMode Mode;
    public byte Cpl;

    /// <summary>Interrupts wait for the instruction at <see cref="ShadowRip"/>.</summary>
    public InterruptShadow InterruptShadow;

    /// <summary>Inside an NMI handler.</summary>
    public byte NmiBlocked;

    /// <summary>Set when a store changed decoded code: the block is left after the instruction.</summary>
    public byte CodeChanged;

    public VcpuActivity Activity;

    /// <summary>Instructions of all blocks entered.</summary>
    public ulong InstructionCount;

    public ulong Cr0, Cr2, Cr3, Cr4, Efer;
    public ulong GdtBase, IdtBase;
    public ushort GdtLimit, IdtLimit;
    public SystemSegment Ldtr, Tr;
    public fixed ulong Dr[4];
    public ulong Dr6, Dr7;
    public ulong Star, Lstar, Cstar, Sfmask, KernelGsBase, SysenterCs, SysenterEsp, SysenterEip, Pat, TscAux, TscAdjust, MiscEnable, KvmSystemTime, KvmWallClock;

    /// <summary>Guest TSC minus clock.</summary>
    public ulong TscOffset;

    public uint Mxcsr;

    /// <summary>x87 control, status (TOP in bits 11 to 13) and full tag word (2 bits a physical register, 3 = empty).</summary>
    public ushort Fcw, Fsw, Ftw, Fop;
    public ulong Fip, Fdp;
    public ushort Fcs, Fds;

    private fixed byte _segments[Seg.Count * 12];

    /// <summary>x87 physical registers R0 to R7, each 16 bytes: significand, then sign and exponent. MM0 to MM7 are the significands.</summary>
    private fixed ulong _fpu[8 * 2];

    /// <summary>Slot behind XMM15 that holds a memory operand.</summary>
    public const byte XmmTemp = 16;

    /// <summary>Slot behind <see cref="XmmTemp"/>, for what an instruction must keep beside a memory operand.</summary>
    public const byte XmmSpare = 17;

    /// <summary>Pointer to the segment caches, in encoding order.</summary>
    public static SegmentCache* Segments(CpuState* s) => (SegmentCache*)s->_segments;

    /// <summary>Pointer to XMM0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte>* Xmm(CpuState* s) => (Vector128<byte>*)s->_xmm;

    /// <summary>Pointer to physical x87 register R0; register n is the pair of words at 2n.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong* Fpu(CpuState* s) => s->_fpu;
}
