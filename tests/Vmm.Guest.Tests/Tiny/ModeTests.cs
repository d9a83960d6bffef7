using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>Real mode, protected mode with its limits and gates, compatibility mode, and the ways between them.</summary>
public sealed class ModeTests
{
    [Theory]
    [OnSoftware]
    [OnKvm]
    public void RealMode_InterruptsAndReturns(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Assemble(16, 0x5000, c =>
        {
            c.inc(cx);
            c.iret();
        });
        guest.Assemble(16, 0x5100, c => // #DE: RIP is at the instruction; step over its two bytes
        {
            c.push(bp);
            c.mov(bp, sp);
            c.add(__word_ptr[bp + 2], 2);
            c.pop(bp);
            c.add(cx, 0x100);
            c.iret();
        });
        guest.Memory.TryWrite(new GuestAddress(0x40 * 4), 0x5000u);
        guest.Memory.TryWrite(new GuestAddress(0), 0x5100u);
        guest.Program(16, c =>
        {
            c.xor(cx, cx);
            c.stc();
            c.@int(0x40);
            c.adc(cx, 0); // the carry came back
            c.xor(dx, dx);
            c.xor(bx, bx);
            c.div(bx);
            c.mov(si, sp);
        }, real: true);
        guest.RunToDone(TinyGuest.RealMode());
        VcpuState state = guest.Capture();
        Assert.Equal((0x102u, 0x7000u), ((uint)(ushort)state.Gpr[1], (uint)(ushort)state.Gpr[6]));
    }

    [Theory]
    [OnSoftware(0xfffe, 0)]
    [OnSoftware(0xffff, 13)]
    [OnKvm(0xfffe, 0)]
    public void RealMode_WordAtTheSegmentsEnd_FaultsOnlyBeyondIt(string accelerator, int offset, int vector)
    {
        using TinyGuest guest = new(accelerator);
        guest.Assemble(16, 0x5000, c =>
        {
            c.mov(cx, 13);
            TinyGuest.Finish(c);
        });
        guest.Memory.TryWrite(new GuestAddress(13 * 4), 0x5000u);
        guest.Memory.TryWrite(new GuestAddress((ulong)offset), (ushort)0xabcd);
        guest.Program(16, c =>
        {
            c.xor(cx, cx);
            c.mov(bx, (short)offset);
            c.mov(dx, __word_ptr[bx]);
        }, real: true);
        guest.RunToDone(TinyGuest.RealMode());
        Assert.Equal((uint)vector, (uint)(ushort)guest.Capture().Gpr[1]);
        if (vector == 0) Assert.Equal(0xabcdu, (uint)(ushort)guest.Capture().Gpr[2]);
    }

    [Theory]
    [OnSoftware("inside", 0, 0)]
    [OnSoftware("beyond", 13, 0)]
    [OnSoftware("across", 13, 0)]
    [OnSoftware("read-only", 13, 0)]
    [OnSoftware("execute-only", 13, TinyGuest.FreeSelector)]
    [OnSoftware("null", 13, 0)]
    [OnSoftware("expand-down inside", 0, 0)]
    [OnSoftware("expand-down below", 13, 0)]
    [OnSoftware("stack", 12, 0)]
    [OnSoftware("not present", 11, TinyGuest.FreeSelector)]
    [OnSoftware("system", 13, TinyGuest.FreeSelector)]
    [OnSoftware("out of table", 13, 0xff8)]
    [OnKvm("across", 13, 0, Native = true)]
    public void ProtectedMode_SegmentRules_AreKept(string accelerator, string what, int vector, int error)
    {
        using TinyGuest guest = new(accelerator);
        guest.RecordFaults32();
        (int access, uint limit) = what switch
        {
            "read-only" => (0x91, 0xfffu),
            "execute-only" => (0x99, 0xfffu),
            "expand-down inside" or "expand-down below" => (0x97, 0xfffu),
            "not present" => (0x13, 0xfffu),
            "system" => (0x82, 0xfffu),
            _ => (0x93, 0xfffu),
        };
        guest.PutDescriptor(TinyGuest.FreeSelector, TinyGuest.Descriptor((uint)TinyGuest.Data, limit, access, 4));
        guest.Program(32, c =>
        {
            c.mov(esi, (uint)TinyGuest.After);
            c.mov(eax, what switch { "null" => 0, "out of table" => 0xff8, _ => TinyGuest.FreeSelector });
            c.mov(edx, 0x5a);
            if (what == "stack")
            {
                c.mov(ebp, 0x100);
                c.mov(ebx, ss);
                c.mov(ss, eax);
                c.mov(esp, 0x800);
                c.mov(edx, __[ebp + 0x10000]);
            }
            else
            {
                c.mov(es, eax);
            }

            switch (what)
            {
                case "beyond": c.mov(dl, __byte_ptr.es[0x1000]); break;
                case "across": c.mov(edx, __dword_ptr.es[0xffd]); break;
                case "read-only": c.mov(__byte_ptr.es[0], dl); break;
                case "expand-down inside": c.mov(__byte_ptr.es[0x1000], dl); break;
                default: c.mov(dl, __byte_ptr.es[0xfff]); break;
            }
        });
        guest.SetInnerStack32();
        VcpuState state = TinyGuest.Protected32();
        guest.RunToDone(state);
        if (vector == 0)
        {
            Assert.Empty(guest.Faults);
            return;
        }

        FaultRecord fault = guest.Faults[0];
        Assert.Equal(((uint)vector, (uint)error), ((uint)fault.Vector, (uint)fault.Error));
    }

    [Theory]
    [OnSoftware]
    [OnKvm(Native = true)]
    public void CallGate_ToRing0_SwitchesStackCopiesArgumentsAndReturns(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.SetInnerStack32();
        guest.Assemble(32, 0x15000, c =>
        {
            c.mov(ebx, esp);
            c.mov(ecx, __dword_ptr.ss[esp + 8]);
            c.mov(edx, __dword_ptr.ss[esp + 12]);
            c.mov(edi, cs);
            c.retf(8);
        });
        guest.PutDescriptor(TinyGuest.FreeSelector, 0x5000 | ((ulong)TinyGuest.KernelCode32 << 16) | (2UL << 32) | (0xecUL << 40) | (1UL << 48));
        guest.Program(32, c =>
        {
            c.push(0x1111);
            c.push(0x2222);
            c.db(0x9a); // far call
            c.dd(0);
            c.dw(TinyGuest.FreeSelector | 3);
            c.mov(eax, cs);
            c.mov(esi, ss);
        });
        guest.RunToDone(TinyGuest.Protected32(3));
        VcpuState state = guest.Capture();
        Assert.Equal((TinyGuest.Stack - 24, 0x2222ul, 0x1111ul, (ulong)TinyGuest.KernelCode32), (state.Gpr[3], state.Gpr[1], state.Gpr[2], state.Gpr[7]));
        Assert.Equal(((ulong)TinyGuest.UserCode32, (ulong)TinyGuest.UserData, TinyGuest.UserStack), (state.Gpr[0] & 0xffff, state.Gpr[6], state.Gpr[4]));
    }

    [Theory]
    [OnSoftware(0, 0)]
    [OnSoftware(20, 12)]
    public void InnerStack_WithASmallSegment_IsAStackFault(string accelerator, int room, int vector)
    {
        using TinyGuest guest = new(accelerator);
        guest.RecordFaults32();
        guest.PutDescriptor(TinyGuest.FreeSelector, TinyGuest.Descriptor(0, room == 0 ? 0xfffffu : (uint)TinyGuest.Stack - (uint)room - 1, 0x93, room == 0 ? 0xc : 4));
        guest.Memory.TryWrite(new GuestAddress(TinyGuest.Tss + 4), (uint)TinyGuest.Stack);
        guest.Memory.TryWrite(new GuestAddress(TinyGuest.Tss + 8), (uint)TinyGuest.FreeSelector);
        // Conforming code stays on the user's stack.
        guest.PutDescriptor(0x60, 0x00cf9f000000ffff);
        guest.Gate32(12, 0x15000, selector: 0x60);
        guest.Assemble(32, 0x15000, c =>
        {
            c.pop(eax);
            c.mov(ebx, 12);
            TinyGuest.Finish(c);
        });
        guest.Program(32, c =>
        {
            c.xor(ebx, ebx);
            c.xor(esi, esi);
            c.@int(unchecked((sbyte)0x80));
        });
        guest.RunToDone(TinyGuest.Protected32(3));
        VcpuState state = guest.Capture();
        Assert.Equal(vector, (int)state.Gpr[3]);
        if (vector != 0) Assert.Equal(TinyGuest.FreeSelector, (uint)state.Gpr[0]);
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void FarReturn_FromLongModeToCompatibilityAndBack_KeepsItsState(string accelerator)
    {
        const ulong Compat = 0x14000, Back = 0x15000;
        using TinyGuest guest = new(accelerator);
        guest.Assemble(32, Compat, c =>
        {
            c.mov(eax, -1);
            c.inc(eax); // 32 bits wide
            c.mov(ecx, esp);
            c.push(0x77);
            c.pop(edx);
            c.db(0xea); // far jump
            c.dd((uint)Back);
            c.dw(TinyGuest.KernelCode);
        });
        guest.Assemble(64, Back, c =>
        {
            c.mov(rdi, cs);
            TinyGuest.Finish(c);
        });
        guest.Program(64, c =>
        {
            c.mov(r8, 0x1122334455667788);
            c.push(TinyGuest.KernelCode32);
            c.push((int)Compat);
            c.db(0x48, 0xcb); // far return, 64 bits
        });
        guest.RunToDone(TinyGuest.LongMode());
        VcpuState state = guest.Capture();
        Assert.Equal((0x1122334455667788ul, TinyGuest.Stack, 0x77ul, (ulong)TinyGuest.KernelCode), (state.Gpr[8], state.Gpr[1], state.Gpr[2], state.Gpr[7]));
    }

    [Theory]
    [OnSoftware]
    [OnKvm(Native = true)]
    public void Syscall_AndSysret_EnterAndLeaveRing0(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Assemble(64, 0x15000, c =>
        {
            c.mov(r8, cs);
            c.mov(r9, ss);
            c.pushfq();
            c.pop(r10);
            c.mov(rbx, rcx);
            c.mov(rbp, r11);
            c.sysretq();
        });
        Label next = default;
        AssemblerResult code = guest.Program(64, c =>
        {
            next = c.CreateLabel();
            c.std();
            c.stc();
            c.syscall();
            c.Label(ref next);
            c.mov(r12, cs);
            c.mov(r13, ss);
        });
        VcpuState state = TinyGuest.LongMode(3);
        state.Gpr[4] = TinyGuest.Stack; // what the handler pushes to
        state.SetMsr(Msr.STAR, ((ulong)TinyGuest.KernelCode << 32) | (0x13ul << 48));
        state.SetMsr(Msr.LSTAR, 0x15000);
        state.SetMsr(Msr.SFMASK, 0x400);
        guest.RunToDone(state);
        state = guest.Capture();
        Assert.Equal(((ulong)TinyGuest.KernelCode, (ulong)TinyGuest.KernelData), (state.Gpr[8], state.Gpr[9]));
        Assert.Equal((0ul, 1ul), (state.Gpr[10] & 0x400, state.Gpr[10] & 1));
        Assert.Equal((code.GetLabelRIP(next), 0x401ul), (state.Gpr[3], state.Gpr[5] & 0x401));
        Assert.Equal((0x23ul, 0x1bul), (state.Gpr[12], state.Gpr[13]));
        Assert.Equal(0x400ul, state.Rflags & 0x400);
    }

    [Theory]
    [OnSoftware]
    [OnKvm(Native = true)]
    public void Sysenter_OfProtectedMode_EntersRing0AndSysexitLeaves(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        // SYSENTER wants code, data, user code and user data in a row.
        guest.PutDescriptor(0x60, 0x00cf9b000000ffff);
        guest.PutDescriptor(0x68, 0x00cf93000000ffff);
        guest.PutDescriptor(0x70, 0x00cffb000000ffff);
        guest.PutDescriptor(0x78, 0x00cff3000000ffff);
        guest.Assemble(32, 0x15000, c =>
        {
            c.mov(ebx, cs);
            c.mov(esi, esp);
            c.sysexit();
        });
        guest.Assemble(32, TinyGuest.After, c =>
        {
            c.mov(edi, cs);
            TinyGuest.Finish(c);
        });
        guest.Program(32, c =>
        {
            c.mov(ecx, esp);
            c.mov(edx, (uint)TinyGuest.After);
            c.sysenter();
        });
        VcpuState state = TinyGuest.Protected32(3);
        state.SetMsr(Msr.IA32_SYSENTER_CS, 0x60);
        state.SetMsr(Msr.IA32_SYSENTER_ESP, TinyGuest.Stack);
        state.SetMsr(Msr.IA32_SYSENTER_EIP, 0x15000);
        guest.RunToDone(state);
        state = guest.Capture();
        Assert.Equal((0x60ul, TinyGuest.Stack, 0x73ul, TinyGuest.UserStack), (state.Gpr[3], state.Gpr[6], state.Gpr[7], state.Gpr[4]));
    }

    /// <summary>Code beyond the limit of CS does not run, even where it ran before through a wider segment.</summary>
    [Theory]
    [OnSoftware]
    public void CodeLimit_HoldsForCodeThatIsDecodedAlready(string accelerator)
    {
        const uint Routine = 0x15000;
        using TinyGuest guest = new(accelerator);
        guest.RecordFaults32();
        guest.PutDescriptor(TinyGuest.FreeSelector, TinyGuest.Descriptor(0, Routine + 3, 0x9b, 4));
        guest.Assemble(32, Routine, c =>
        {
            c.nop();
            c.nop();
            c.nop();
            c.nop();
            c.inc(edi); // beyond
            c.jmp(ebx);
        });
        guest.Assemble(32, TinyGuest.After, c =>
        {
            c.db(0xea); // far jump
            c.dd(Routine);
            c.dw(TinyGuest.FreeSelector);
        });
        guest.Program(32, c =>
        {
            c.xor(edi, edi);
            c.mov(ebx, (uint)TinyGuest.After);
            c.jmp(Routine);
        });
        guest.Assemble(32, TinyGuest.Stubs + (13 * 16), c =>
        {
            c.mov(edx, __dword_ptr.ss[esp + 4]);
            TinyGuest.Finish(c);
        });
        guest.RunToDone(TinyGuest.Protected32());
        VcpuState state = guest.Capture();
        Assert.Equal((1ul, (ulong)Routine + 4), (state.Gpr[7], state.Gpr[2]));
    }
}
