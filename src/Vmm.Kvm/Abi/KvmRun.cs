using System.Runtime.InteropServices;

namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_run</c>: the page that a vCPU shares with the kernel.</summary>
[StructLayout(LayoutKind.Explicit, Size = 2352)]
internal unsafe struct KvmRun
{
    public const byte KVM_EXIT_IO_OUT = 1;
    public const uint KVM_INTERNAL_ERROR_EMULATION = 1;
    public const ulong KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES = 1;
    public const uint KVM_SYSTEM_EVENT_SHUTDOWN = 1;
    public const uint KVM_SYSTEM_EVENT_RESET = 2;
    public const uint KVM_SYSTEM_EVENT_CRASH = 3;
    public const ulong KVM_SYNC_X86_REGS = 1;
    public const ulong KVM_SYNC_X86_SREGS = 2;
    public const ulong KVM_SYNC_X86_EVENTS = 4;
    public const ulong KVM_SYNC_X86_ALL = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;

    [FieldOffset(0)] public byte RequestInterruptWindow;
    [FieldOffset(1)] public byte ImmediateExit;
    [FieldOffset(8)] public KvmExitReason ExitReason;
    [FieldOffset(12)] public byte ReadyForInterruptInjection;
    [FieldOffset(13)] public byte IfFlag;
    [FieldOffset(16)] public ulong Cr8;
    [FieldOffset(24)] public ulong ApicBase;

    [FieldOffset(32)] public ulong HardwareExitReason;

    [FieldOffset(32)] public ulong FailEntryReason;

    [FieldOffset(32)] public uint Exception;
    [FieldOffset(36)] public uint ExceptionErrorCode;

    [FieldOffset(32)] public byte IoDirection;
    [FieldOffset(33)] public byte IoSize;
    [FieldOffset(34)] public ushort IoPort;
    [FieldOffset(36)] public uint IoCount;

    /// <summary>From the start of this structure.</summary>
    [FieldOffset(40)] public ulong IoDataOffset;

    [FieldOffset(32)] public ulong MmioAddress;
    [FieldOffset(40)] public fixed byte MmioData[8];
    [FieldOffset(48)] public uint MmioLength;
    [FieldOffset(52)] public byte MmioIsWrite;

    [FieldOffset(32)] public ulong HypercallNumber;
    [FieldOffset(88)] public ulong HypercallResult;

    [FieldOffset(32)] public uint InternalSuberror;
    [FieldOffset(36)] public uint InternalDataCount;
    [FieldOffset(40)] public fixed ulong InternalData[16];
    [FieldOffset(40)] public ulong EmulationFlags;
    [FieldOffset(48)] public byte EmulationInstructionSize;
    [FieldOffset(49)] public fixed byte EmulationInstruction[15];

    [FieldOffset(32)] public uint SystemEventType;

    [FieldOffset(32)] public byte EoiVector;

    [FieldOffset(32)] public ulong MemoryFaultFlags;
    [FieldOffset(40)] public ulong MemoryFaultAddress;

    [FieldOffset(288)] public ulong ValidRegs;
    [FieldOffset(296)] public ulong DirtyRegs;
    [FieldOffset(304)] public KvmRegs Regs;
    [FieldOffset(448)] public KvmSregs Sregs;
    [FieldOffset(760)] public KvmVcpuEvents Events;
}
