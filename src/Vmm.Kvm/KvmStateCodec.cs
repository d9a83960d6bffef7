using System.Runtime.CompilerServices;
using Vmm.Core.Hypervisor;
using Vmm.Kvm.Abi;

namespace Vmm.Kvm;

/// <summary>Translates between <see cref="VcpuState"/> and KVM's register structures. Pure; allocates nothing.</summary>
internal static unsafe class KvmStateCodec
{
    private const int DplShift = 5;

    /// <summary>General registers, RIP, RFLAGS.</summary>
    public static void Decode(in KvmRegs from, VcpuState to)
    {
        ulong[] gpr = to.Gpr;
        gpr[0] = from.Rax;
        gpr[1] = from.Rcx;
        gpr[2] = from.Rdx;
        gpr[3] = from.Rbx;
        gpr[4] = from.Rsp;
        gpr[5] = from.Rbp;
        gpr[6] = from.Rsi;
        gpr[7] = from.Rdi;
        gpr[8] = from.R8;
        gpr[9] = from.R9;
        gpr[10] = from.R10;
        gpr[11] = from.R11;
        gpr[12] = from.R12;
        gpr[13] = from.R13;
        gpr[14] = from.R14;
        gpr[15] = from.R15;
        to.Rip = from.Rip;
        to.Rflags = from.Rflags;
    }

    public static void Encode(VcpuState from, out KvmRegs to)
    {
        ulong[] gpr = from.Gpr;
        to = new KvmRegs
        {
            Rax = gpr[0],
            Rcx = gpr[1],
            Rdx = gpr[2],
            Rbx = gpr[3],
            Rsp = gpr[4],
            Rbp = gpr[5],
            Rsi = gpr[6],
            Rdi = gpr[7],
            R8 = gpr[8],
            R9 = gpr[9],
            R10 = gpr[10],
            R11 = gpr[11],
            R12 = gpr[12],
            R13 = gpr[13],
            R14 = gpr[14],
            R15 = gpr[15],
            Rip = from.Rip,
            Rflags = from.Rflags,
        };
    }

    /// <summary>Segments, tables, control registers, EFER, APIC base.</summary>
    public static void Decode(in KvmSregs from, VcpuState to)
    {
        to.Es = Decode(from.Es);
        to.Cs = Decode(from.Cs);
        to.Ss = Decode(from.Ss);
        to.Ds = Decode(from.Ds);
        to.Fs = Decode(from.Fs);
        to.Gs = Decode(from.Gs);
        to.Ldtr = Decode(from.Ldt);
        to.Tr = Decode(from.Tr);
        to.Gdtr = new DescriptorTableState(from.Gdt.Base, from.Gdt.Limit);
        to.Idtr = new DescriptorTableState(from.Idt.Base, from.Idt.Limit);
        to.Cr0 = from.Cr0;
        to.Cr2 = from.Cr2;
        to.Cr3 = from.Cr3;
        to.Cr4 = from.Cr4;
        to.Cr8 = (byte)from.Cr8;
        to.Efer = from.Efer;
        to.ApicBase = from.ApicBase;
    }

    public static void Encode(VcpuState from, out KvmSregs to)
    {
        to = new KvmSregs
        {
            Es = Encode(from.Es),
            Cs = Encode(from.Cs),
            Ss = Encode(from.Ss),
            Ds = Encode(from.Ds),
            Fs = Encode(from.Fs),
            Gs = Encode(from.Gs),
            Ldt = Encode(from.Ldtr),
            Tr = Encode(from.Tr),
            Gdt = new KvmDtable { Base = from.Gdtr.Base, Limit = from.Gdtr.Limit },
            Idt = new KvmDtable { Base = from.Idtr.Base, Limit = from.Idtr.Limit },
            Cr0 = from.Cr0,
            Cr2 = from.Cr2,
            Cr3 = from.Cr3,
            Cr4 = from.Cr4,
            Cr8 = from.Cr8,
            Efer = from.Efer,
            ApicBase = from.ApicBase,
        };
    }

    /// <summary>Pending events. KVM reports a pending exception as an injected one unless asked otherwise.</summary>
    public static void Decode(in KvmVcpuEvents from, VcpuState to) => to.Events = new VcpuEvents
    {
        ExceptionPending = (from.ExceptionInjected | from.ExceptionPending) != 0,
        ExceptionVector = from.ExceptionVector,
        ExceptionHasErrorCode = from.ExceptionHasErrorCode != 0,
        ExceptionErrorCode = from.ExceptionErrorCode,
        InterruptPending = from.InterruptInjected != 0,
        InterruptVector = from.InterruptVector,
        NmiPending = (from.NmiInjected | from.NmiPending) != 0,
        NmiBlocked = from.NmiMasked != 0,
        StiShadow = (from.InterruptShadow & KvmVcpuEvents.KVM_X86_SHADOW_INT_STI) != 0,
        MovSsShadow = (from.InterruptShadow & KvmVcpuEvents.KVM_X86_SHADOW_INT_MOV_SS) != 0,
    };

    public static void Encode(VcpuState from, out KvmVcpuEvents to)
    {
        ref VcpuEvents events = ref from.Events;
        to = new KvmVcpuEvents
        {
            ExceptionInjected = Bit(events.ExceptionPending),
            ExceptionVector = events.ExceptionVector,
            ExceptionHasErrorCode = Bit(events.ExceptionHasErrorCode),
            ExceptionErrorCode = events.ExceptionErrorCode,
            InterruptInjected = Bit(events.InterruptPending),
            InterruptVector = events.InterruptVector,
            NmiPending = Bit(events.NmiPending),
            NmiMasked = Bit(events.NmiBlocked),
            InterruptShadow = (byte)((events.StiShadow ? KvmVcpuEvents.KVM_X86_SHADOW_INT_STI : 0) | (events.MovSsShadow ? KvmVcpuEvents.KVM_X86_SHADOW_INT_MOV_SS : 0)),
            Flags = KvmVcpuEvents.KVM_VCPUEVENT_VALID_NMI_PENDING | KvmVcpuEvents.KVM_VCPUEVENT_VALID_SHADOW,
        };
    }

    /// <summary>KVM's activity states that are one in <see cref="VcpuActivity"/>.</summary>
    public static VcpuActivity Decode(KvmMpState from) => from switch
    {
        KvmMpState.KVM_MP_STATE_HALTED => VcpuActivity.Halted,
        KvmMpState.KVM_MP_STATE_UNINITIALIZED or KvmMpState.KVM_MP_STATE_INIT_RECEIVED => VcpuActivity.WaitForSipi,
        _ => VcpuActivity.Running,
    };

    public static KvmMpState Encode(VcpuActivity from) => from switch
    {
        VcpuActivity.Halted => KvmMpState.KVM_MP_STATE_HALTED,
        VcpuActivity.WaitForSipi => KvmMpState.KVM_MP_STATE_INIT_RECEIVED,
        _ => KvmMpState.KVM_MP_STATE_RUNNABLE,
    };

    /// <summary>True when the two are equal byte for byte.</summary>
    public static bool Same<T>(in T left, in T right) where T : unmanaged
        // SAFETY: both spans cover exactly one T.
        => new ReadOnlySpan<byte>(Unsafe.AsPointer(ref Unsafe.AsRef(in left)), sizeof(T))
            .SequenceEqual(new ReadOnlySpan<byte>(Unsafe.AsPointer(ref Unsafe.AsRef(in right)), sizeof(T)));

    private static SegmentState Decode(in KvmSegment from)
    {
        SegmentAttributes attributes = (SegmentAttributes)from.Type & SegmentAttributes.TypeMask;
        attributes |= (SegmentAttributes)(from.Dpl << DplShift) & SegmentAttributes.DplMask;
        if (from.S != 0) attributes |= SegmentAttributes.S;
        if (from.Present != 0) attributes |= SegmentAttributes.Present;
        if (from.Avl != 0) attributes |= SegmentAttributes.AVL;
        if (from.L != 0) attributes |= SegmentAttributes.L;
        if (from.Db != 0) attributes |= SegmentAttributes.DB;
        if (from.G != 0) attributes |= SegmentAttributes.G;
        if (from.Unusable != 0) attributes |= SegmentAttributes.Unusable;
        return new SegmentState(from.Selector, from.Base, from.Limit, attributes);
    }

    private static KvmSegment Encode(in SegmentState from) => new()
    {
        Base = from.Base,
        Limit = from.Limit,
        Selector = from.Selector,
        Type = (byte)(from.Attributes & SegmentAttributes.TypeMask),
        Dpl = (byte)from.Dpl,
        S = Bit(from.Attributes, SegmentAttributes.S),
        Present = Bit(from.Attributes, SegmentAttributes.Present),
        Avl = Bit(from.Attributes, SegmentAttributes.AVL),
        L = Bit(from.Attributes, SegmentAttributes.L),
        Db = Bit(from.Attributes, SegmentAttributes.DB),
        G = Bit(from.Attributes, SegmentAttributes.G),
        Unusable = Bit(from.Attributes, SegmentAttributes.Unusable),
    };

    private static byte Bit(SegmentAttributes value, SegmentAttributes flag) => Bit((value & flag) != 0);

    private static byte Bit(bool value) => value ? (byte)1 : (byte)0;
}
