using Iced.Intel;
using Vmm.Core.Hypervisor;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>Exceptions of 64-bit code: what the handler sees, where the guest goes on.</summary>
public sealed class ExceptionTests
{
    private const uint NoDescriptor = 0xf8;
    private const ulong TF = 0x100, RF = 0x10000, IF = 0x200;
    private const ulong Hole = 0x40000000000; // canonical, not mapped by the default tables

    [Theory]
    [OnSoftware("div", 0, 0ul)]
    [OnKvm("div", 0, 0ul)]
    [OnSoftware("ud2", 6, 0ul)]
    [OnKvm("ud2", 6, 0ul)]
    [OnSoftware("load", 14, 0ul)]
    [OnKvm("load", 14, 0ul)]
    [OnSoftware("store", 14, 2ul)]
    [OnKvm("store", 14, 2ul)]
    [OnSoftware("noncanonical", 13, 0ul)]
    [OnKvm("noncanonical", 13, 0ul)]
    [OnSoftware("noncanonical-stack", 12, 0ul)]
    [OnKvm("noncanonical-stack", 12, 0ul, Native = true)]
    [OnSoftware("selector", 13, (ulong)NoDescriptor)]
    [OnKvm("selector", 13, (ulong)NoDescriptor)]
    [OnSoftware("not-present", 11, (ulong)TinyGuest.FreeSelector)]
    [OnKvm("not-present", 11, (ulong)TinyGuest.FreeSelector)]
    public void Fault_OfRing0_IsPreciseAndRestarts(string accelerator, string kind, int vector, ulong error)
    {
        using TinyGuest guest = new(accelerator);
        guest.RecordFaults64();
        guest.PutDescriptor(TinyGuest.FreeSelector, TinyGuest.Descriptor(0, 0xfffff, 0x13, 0xc));
        Label faulting = default, next = default;
        AssemblerResult code = guest.Program(64, c =>
        {
            faulting = c.CreateLabel();
            next = c.CreateLabel();
            c.lea(r15, __[next]);
            c.mov(rbx, kind.StartsWith("noncanonical", StringComparison.Ordinal) ? 0x8000000000000000 : Hole);
            c.mov(rbp, rbx);
            c.xor(ecx, ecx);
            c.mov(eax, kind == "not-present" ? TinyGuest.FreeSelector : NoDescriptor);
            c.Label(ref faulting);
            switch (kind)
            {
                case "div": c.div(ecx); break;
                case "ud2": c.ud2(); break;
                case "load" or "noncanonical": c.mov(rax, __[rbx + 8]); break;
                case "noncanonical-stack": c.mov(rax, __[rbp + 8]); break;
                case "store": c.mov(__byte_ptr[rbx + 8], al); break;
                default: c.mov(ds, eax); break;
            }

            c.Label(ref next);
            c.@out(unchecked((sbyte)0x80), al);
        });
        guest.RunToDone(TinyGuest.LongMode());
        FaultRecord fault = Assert.Single(guest.Faults);
        Assert.Equal((ulong)vector, fault.Vector);
        Assert.Equal(error, fault.Error);
        Assert.Equal(code.GetLabelRIP(faulting), fault.Rip);
        Assert.Equal(TinyGuest.KernelCode, fault.Cs);
        Assert.Equal(TinyGuest.Stack, fault.Rsp);
        Assert.Equal(TinyGuest.KernelData, fault.Ss);
        Assert.Equal(vector == 14 ? Hole + 8 : 0, fault.Cr2);
        Assert.Single(guest.Io.Outs(0x80));
    }

    [Theory]
    [OnSoftware("int3", 3)]
    [OnKvm("int3", 3)]
    [OnSoftware("int 0x80", 0x80)]
    [OnKvm("int 0x80", 0x80, Native = true)]
    public void SoftwareInterrupt_OfRing3_PointsBehindItself(string accelerator, string kind, int vector)
    {
        using TinyGuest guest = new(accelerator);
        guest.RecordFaults64();
        Label next = default;
        AssemblerResult code = guest.Program(64, c =>
        {
            next = c.CreateLabel();
            c.lea(r15, __[next]);
            if (kind == "int3") c.int3();
            else c.@int(unchecked((sbyte)vector));
            c.Label(ref next);
            c.nop();
        });
        guest.RunToDone(TinyGuest.LongMode(3));
        FaultRecord fault = Assert.Single(guest.Faults);
        Assert.Equal(((ulong)vector, code.GetLabelRIP(next), (ulong)TinyGuest.UserCode), (fault.Vector, fault.Rip, fault.Cs));
        Assert.Equal((TinyGuest.UserStack, (ulong)TinyGuest.UserData), (fault.Rsp, fault.Ss));
        Assert.Equal(0ul, fault.Flags & RF);
    }

    [Theory]
    [OnSoftware(true, 13, (0x80 * 8) + 2)]
    [OnKvm(true, 13, (0x80 * 8) + 2, Native = true)]
    [OnSoftware(false, 11, (0x80 * 8) + 2)]
    [OnKvm(false, 11, (0x80 * 8) + 2, Native = true)]
    public void SoftwareInterrupt_ThroughABadGate_FaultsAtItself(string accelerator, bool privileged, int vector, int error)
    {
        using TinyGuest guest = new(accelerator);
        guest.RecordFaults64();
        guest.Gate64(0x80, TinyGuest.Stubs + (0x80 * 16), dpl: privileged ? 0 : 3);
        if (!privileged) guest.Put(TinyGuest.Idt + (0x80 * 16), guest.Get(TinyGuest.Idt + (0x80 * 16)) & ~(1UL << 47));
        Label faulting = default, next = default;
        AssemblerResult code = guest.Program(64, c =>
        {
            faulting = c.CreateLabel();
            next = c.CreateLabel();
            c.lea(r15, __[next]);
            c.Label(ref faulting);
            c.@int(unchecked((sbyte)0x80));
            c.Label(ref next);
            c.nop();
        });
        guest.RunToDone(TinyGuest.LongMode(3));
        FaultRecord fault = Assert.Single(guest.Faults);
        Assert.Equal(((ulong)vector, (ulong)error, code.GetLabelRIP(faulting)), (fault.Vector, fault.Error, fault.Rip));
    }

    [Theory]
    [OnSoftware]
    [OnKvm(Native = true)]
    public void PageFault_WhoseStackIsMissing_BecomesADoubleFaultWithTheStacksAddress(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.RecordFaults64();
        guest.Gate64(8, TinyGuest.Stubs + (8 * 16), ist: 1);
        guest.Program(64, c =>
        {
            c.xor(r15d, r15d);
            c.mov(rsp, Hole + 0x1000);
            c.mov(rbx, Hole * 2);
            c.mov(rax, __[rbx]);
        });
        guest.RunToDone(TinyGuest.LongMode());
        FaultRecord fault = Assert.Single(guest.Faults);
        Assert.Equal((8ul, 0ul, Hole + 0xff8), (fault.Vector, fault.Error, fault.Cr2));
    }

    [Theory]
    [OnSoftware]
    [OnKvm(Native = true)]
    public void InterruptChain_ThatEndsInADoubleFault_IsDelivered(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.RecordFaults64();
        // #UD meets a gate that is not there, #NP a page fault for its stack, and the #PF that gate is not there either.
        guest.Put(TinyGuest.Idt + (6 * 16), 0);
        guest.Put(TinyGuest.Idt + (6 * 16) + 8, 0);
        guest.Gate64(13, TinyGuest.Stubs + (13 * 16), ist: 2);
        guest.Put(TinyGuest.Tss + 44, Hole);
        guest.Put(TinyGuest.Idt + (14 * 16), guest.Get(TinyGuest.Idt + (14 * 16)) & ~(1UL << 47));
        guest.Gate64(8, TinyGuest.Stubs + (8 * 16), ist: 1);
        guest.Program(64, c =>
        {
            c.xor(r15d, r15d);
            c.ud2();
        });
        guest.RunToDone(TinyGuest.LongMode());
        Assert.Equal(8ul, Assert.Single(guest.Faults).Vector);
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void Fault_WithoutAnyTable_IsATripleFault(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Program(64, c => c.ud2());
        VcpuState state = TinyGuest.LongMode();
        state.Idtr = default;
        guest.Vcpu.Apply(state);
        Assert.Equal(VcpuExit.TripleFault, guest.Run());
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void Ist_IsTakenWithoutAChangeOfPrivilege(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Assemble(64, TinyGuest.Stubs, c =>
        {
            c.mov(__[TinyGuest.Data], rsp);
            TinyGuest.Finish(c);
        });
        guest.Gate64(6, TinyGuest.Stubs, ist: 1);
        guest.Program(64, c =>
        {
            c.mov(rsp, TinyGuest.Stack - 3);
            c.ud2();
        });
        guest.RunToDone(TinyGuest.LongMode());
        Assert.Equal(TinyGuest.IstStack - 40, guest.Get(TinyGuest.Data));
        Assert.Equal(TinyGuest.Stack - 3, guest.Get(TinyGuest.IstStack - 16));
        Assert.Equal(TinyGuest.KernelData, guest.Get(TinyGuest.IstStack - 8));
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void TrapFlag_SetByPopf_TrapsAfterTheNextInstruction(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Assemble(64, TinyGuest.Stubs, c =>
        {
            c.push(rax);
            c.mov(rax, __[rsp + 8]);
            c.mov(__[(r14 * 8) + (long)TinyGuest.Data], rax);
            c.inc(r14);
            c.pop(rax);
            c.iretq();
        });
        guest.Gate64(1, TinyGuest.Stubs);
        Label[] labels = new Label[4];
        AssemblerResult code = guest.Program(64, c =>
        {
            for (int i = 0; i < labels.Length; i++) labels[i] = c.CreateLabel();
            c.xor(r14d, r14d);
            c.push((int)(TF | 2));
            c.popfq();
            c.nop();
            c.Label(ref labels[0]);
            c.nop();
            c.Label(ref labels[1]);
            c.push(2);
            c.Label(ref labels[2]);
            c.popfq();
            c.Label(ref labels[3]); // the one that clears TF still traps
            c.nop();
            c.nop();
        });
        guest.RunToDone(TinyGuest.LongMode());
        VcpuState state = guest.Capture();
        Assert.Equal(4ul, state.Gpr[14]);
        Assert.Equal(labels.Select(l => code.GetLabelRIP(l)), Enumerable.Range(0, 4).Select(i => guest.Get(TinyGuest.Data + (ulong)(i * 8))));
        if (accelerator == Accelerators.Software) Assert.Equal(0x4000ul, state.Dr6 & 0x400f);
    }

    [Theory]
    [OnSoftware]
    public void CodeBreakpoint_StopsBeforeTheInstructionAndRfLetsItPass(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Assemble(64, TinyGuest.Stubs + 0x1000 + 0x100, c =>
        {
            c.inc(r14);
            c.mov(r13, __[rsp]);
            c.or(__dword_ptr[rsp + 16], (int)RF);
            c.iretq();
        });
        guest.Gate64(1, TinyGuest.Stubs + 0x1100);
        Label watched = default;
        AssemblerResult code = guest.Program(64, c =>
        {
            watched = c.CreateLabel();
            Label again = c.CreateLabel();
            c.xor(r14d, r14d);
            c.xor(ecx, ecx);
            c.lea(rax, __[watched]);
            c.mov(dr0, rax);
            c.mov(eax, 0x402 | 1);
            c.mov(dr7, rax);
            c.Label(ref again);
            c.nop();
            c.Label(ref watched);
            c.inc(ecx);
            c.cmp(ecx, 5);
            c.jne(again);
        });
        guest.RunToDone(TinyGuest.LongMode());
        VcpuState state = guest.Capture();
        Assert.Equal(5ul, state.Gpr[14]);
        Assert.Equal(code.GetLabelRIP(watched), state.Gpr[13]);
        Assert.Equal(1ul, state.Dr6 & 0xf);
        Assert.Equal(5ul, state.Gpr[1]);
    }

    [Theory]
    [OnSoftware(1, 4, 0, true)]
    [OnSoftware(1, 4, 3, true)]
    [OnSoftware(1, 4, 4, false)]
    [OnSoftware(3, 8, 7, true)]
    [OnSoftware(3, 2, 2, false)]
    public void DataBreakpoint_TrapsAfterAnAccessThatTouchesIt(string accelerator, int kind, int length, int at, bool hits)
    {
        using TinyGuest guest = new(accelerator);
        guest.RecordFaults64();
        Label after = default, next = default;
        int lengthCode = length switch { 1 => 0, 2 => 1, 4 => 3, _ => 2 };
        AssemblerResult code = guest.Program(64, c =>
        {
            after = c.CreateLabel();
            next = c.CreateLabel();
            c.lea(r15, __[next]);
            c.mov(rbx, TinyGuest.Data);
            c.mov(al, __[rbx]); // a translation from before
            c.mov(__byte_ptr[rbx], al);
            c.mov(dr2, rbx);
            c.mov(eax, 0x400 | (1 << 5) | (kind << 24) | (lengthCode << 26));
            c.mov(dr7, rax);
            c.mov(__byte_ptr[rbx + 100], al);
            if (kind == 3) c.mov(cl, __[rbx + at]);
            else c.mov(__byte_ptr[rbx + at], al);
            c.Label(ref after);
            c.nop();
            c.Label(ref next);
            c.xor(eax, eax);
            c.mov(dr7, rax);
        });
        guest.RunToDone(TinyGuest.LongMode());
        Assert.Equal(hits ? 1 : 0, guest.Faults.Length);
        if (!hits) return;
        Assert.Equal((1ul, code.GetLabelRIP(after)), (guest.Faults[0].Vector, guest.Faults[0].Rip));
        Assert.Equal(4ul, guest.Capture().Dr6 & 0xf);
    }

    [Theory]
    [OnSoftware(true)]
    [OnKvm(true)]
    [OnSoftware(false)]
    [OnKvm(false)]
    public void InterruptShadow_HoldsForOneInstruction(string accelerator, bool sti)
    {
        using TinyGuest guest = new(accelerator);
        guest.Assemble(64, TinyGuest.Stubs + (0x40 * 16), c => TinyGuest.Finish(c));
        guest.Program(64, c =>
        {
            c.mov(rbx, TinyGuest.ApicBase);
            c.mov(__dword_ptr[rbx + 0xf0], 0x1ff);
            c.mov(ecx, ss);
            if (!sti) c.mov(__dword_ptr[rbx + 0x80], 0xf0); // task priority: nothing comes in
            c.mov(__dword_ptr[rbx + 0x310], 0);
            c.mov(__dword_ptr[rbx + 0x300], 0x4040 | (1 << 18)); // to itself
            c.xor(eax, eax);
            if (!sti)
            {
                c.sti();
                c.nop();
                c.mov(__dword_ptr[rbx + 0x80], 0);
                c.mov(ss, ecx);
            }
            else
            {
                c.sti();
            }

            c.inc(eax);
            c.inc(eax);
            c.inc(eax);
            c.mov(ebx, 100_000);
            Label spin = c.CreateLabel();
            c.Label(ref spin);
            c.dec(ebx);
            c.jne(spin);
        });
        guest.RunToDone(TinyGuest.LongMode());
        Assert.InRange(guest.Capture().Gpr[0], sti ? 1ul : 0ul, sti && accelerator == Accelerators.Software ? 1ul : 3ul);
        Assert.InRange(guest.Capture().Rip, TinyGuest.Stubs, TinyGuest.Stubs + 0x1000);
    }

    [Theory]
    [OnSoftware]
    public void Nmi_InsideItsHandler_WaitsForIret(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Assemble(64, TinyGuest.Stubs + 0x1000, c =>
        {
            c.inc(r14);
            c.@out(unchecked((sbyte)0x81), al);
            c.nop();
            c.mov(__[TinyGuest.Data], r14);
            c.cmp(r13, r14);
            c.cmovb(r13, r14);
            c.dec(r14);
            c.inc(r12);
            c.iretq();
        });
        guest.Gate64(2, TinyGuest.Stubs + 0x1000, ist: 1);
        guest.Program(64, c =>
        {
            Label wait = c.CreateLabel();
            c.xor(r12d, r12d);
            c.xor(r13d, r13d);
            c.xor(r14d, r14d);
            c.@out(unchecked((sbyte)0x80), al);
            c.Label(ref wait);
            c.cmp(r12, 2);
            c.jb(wait);
        });
        int left = 1;
        guest.Io.Out = (port, _) =>
        {
            if (port == 0x80) guest.Fabric!.PulseNmi();
            if (port == 0x81 && left-- > 0) guest.Machine.Interrupts.Msi.Signal(new(TinyGuest.ApicBase, 0x400), 0);
        };
        EnableLint1(guest);
        guest.RunToDone(TinyGuest.LongMode());
        VcpuState state = guest.Capture();
        Assert.Equal((2ul, 1ul), (state.Gpr[12], state.Gpr[13]));
        Assert.False(state.Events.NmiBlocked);
    }

    private static void EnableLint1(TinyGuest guest)
    {
        // LVT LINT1 delivers NMIs, as firmware leaves it.
        Span<byte> data = stackalloc byte[4];
        BitConverter.TryWriteBytes(data, 0x1ff);
        guest.Io.MmioWrite(TinyGuest.ApicBase + 0xf0, data);
        BitConverter.TryWriteBytes(data, 0x400);
        guest.Io.MmioWrite(TinyGuest.ApicBase + 0x360, data);
    }
}
