using Iced.Intel;
using Vmm.Core.Memory;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>Two vCPUs: start-up, atomic operations, interrupts between them, code that one changes under the other.</summary>
public sealed class SmpTests
{
    private const ulong Counter = TinyGuest.Data, ApStarted = TinyGuest.Data + 0x100, ApDone = TinyGuest.Data + 0x108, Lock = TinyGuest.Data + 0x140;
    private const ulong ApCode = 0x14000;
    private const ulong ApGdtPointer = 0x8f00;

    [Theory]
    [OnSoftware("inc", 100_000)]
    [OnKvm("inc", 300)]
    [OnSoftware("xadd", 100_000)]
    [OnSoftware("cmpxchg", 100_000)]
    [OnKvm("cmpxchg", 300)]
    [OnSoftware("xchg lock", 20_000)]
    [OnSoftware("cmpxchg8b", 50_000)]
    [OnSoftware("cmpxchg16b", 50_000)]
    [OnSoftware("bts lock", 20_000)]
    public void AtomicCounters_OfTwoVcpus_LoseNothing(string accelerator, string kind, int rounds)
    {
        using TinyGuest guest = new(accelerator, vcpus: 2);
        WriteTrampoline(guest);
        guest.Assemble(64, ApCode, c =>
        {
            c.mov(__dword_ptr[ApStarted], 1);
            Count(c, kind, rounds);
            c.mov(__dword_ptr[ApDone], 1);
            Label again = c.CreateLabel();
            c.Label(ref again);
            c.hlt();
            c.jmp(again);
        });
        guest.Program(64, c =>
        {
            StartAp(c);
            WaitFor(c, ApStarted);
            Count(c, kind, rounds);
            WaitFor(c, ApDone);
        });
        guest.RunAll(TinyGuest.LongMode());
        Assert.Equal(2ul * (ulong)rounds, guest.Get(Counter));
    }

    /// <summary>Modern kernels send INIT and the start-up IPI without a pause, before the other processor's thread has seen either.</summary>
    [Theory]
    [OnSoftware]
    [OnKvm]
    public void InitAndSipi_WithoutAPause_StartTheProcessorEachTime(string accelerator)
    {
        for (int i = 0; i < (accelerator == Accelerators.Software ? 20 : 2); i++)
        {
            using TinyGuest guest = new(accelerator, vcpus: 2);
            WriteTrampoline(guest);
            guest.Assemble(64, ApCode, c =>
            {
                c.mov(__dword_ptr[ApStarted], 1);
                Label again = c.CreateLabel();
                c.Label(ref again);
                c.hlt();
                c.jmp(again);
            });
            guest.Program(64, c =>
            {
                StartAp(c);
                WaitFor(c, ApStarted);
                // And again, out of its halt.
                c.mov(__dword_ptr[ApStarted], 0);
                StartAp(c);
                WaitFor(c, ApStarted);
            });
            guest.RunAll(TinyGuest.LongMode());
        }
    }

    [Theory]
    [OnSoftware(200)]
    [OnKvm(5)]
    public void Ipis_BackAndForth_AllArrive(string accelerator, int rounds)
    {
        using TinyGuest guest = new(accelerator, vcpus: 2);
        WriteTrampoline(guest);
        guest.Assemble(64, TinyGuest.Stubs, c =>
        {
            c.inc(__qword_ptr[Counter]);
            c.mov(__dword_ptr[rbx + 0xb0], 0);
            c.iretq();
        });
        guest.Assemble(64, TinyGuest.Stubs + 0x100, c =>
        {
            c.mov(__dword_ptr[rbx + 0xb0], 0);
            c.mov(__dword_ptr[rbx + 0x310], 0);
            c.mov(__dword_ptr[rbx + 0x300], 0x4041);
            c.iretq();
        });
        guest.Gate64(0x41, TinyGuest.Stubs);
        guest.Gate64(0x42, TinyGuest.Stubs + 0x100);
        guest.Assemble(64, ApCode, c =>
        {
            c.mov(rbx, TinyGuest.ApicBase);
            c.mov(__dword_ptr[rbx + 0xf0], 0x1ff);
            c.mov(__dword_ptr[ApStarted], 1);
            Label again = c.CreateLabel();
            c.Label(ref again);
            c.sti();
            c.hlt();
            c.jmp(again);
        });
        guest.Program(64, c =>
        {
            Label next = c.CreateLabel(), wait = c.CreateLabel();
            StartAp(c);
            WaitFor(c, ApStarted);
            c.mov(rbx, TinyGuest.ApicBase);
            c.xor(ecx, ecx);
            c.Label(ref next);
            c.mov(__dword_ptr[rbx + 0x310], 1 << 24);
            c.mov(__dword_ptr[rbx + 0x300], 0x4042);
            c.inc(rcx);
            c.Label(ref wait);
            c.sti();
            c.hlt();
            c.cli();
            c.cmp(__[Counter], rcx);
            c.jb(wait);
            c.cmp(rcx, rounds);
            c.jb(next);
        });
        guest.RunAll(TinyGuest.LongMode());
        Assert.Equal((ulong)rounds, guest.Get(Counter));
    }

    [Theory]
    [OnSoftware]
    public void CodeChangedByAnotherProcessor_RunsAfterAnInterrupt(string accelerator)
    {
        const ulong Routine = 0x15000;
        using TinyGuest guest = new(accelerator, vcpus: 2);
        WriteTrampoline(guest);
        guest.Assemble(64, Routine, c =>
        {
            c.mov(eax, 0);
            c.ret();
        });
        guest.Assemble(64, ApCode, c =>
        {
            Label again = c.CreateLabel();
            c.mov(__dword_ptr[ApStarted], 1);
            c.Label(ref again);
            c.call(Routine);
            c.mov(__[Counter], eax);
            c.mov(eax, 0); // CPUID serialises
            c.cpuid();
            c.jmp(again);
        });
        guest.Program(64, c =>
        {
            Label next = c.CreateLabel(), wait = c.CreateLabel();
            StartAp(c);
            WaitFor(c, ApStarted);
            c.xor(ecx, ecx);
            c.Label(ref next);
            c.inc(ecx);
            c.mov(__dword_ptr[Routine + 1], ecx);
            c.call(Routine);
            c.cmp(eax, ecx);
            c.jne(wait);
            c.Label(ref wait);
            c.pause();
            c.cmp(__[Counter], ecx);
            c.jne(wait);
            c.cmp(ecx, 300);
            c.jne(next);
            c.mov(__[Counter + 8], eax);
        });
        guest.RunAll(TinyGuest.LongMode());
        Assert.Equal(300ul, guest.Get(Counter));
        Assert.Equal(300ul, guest.Get(Counter + 8));
    }

    private static void Count(Assembler c, string kind, int rounds)
    {
        Label next = c.CreateLabel(), again = c.CreateLabel();
        c.mov(rbp, Counter);
        c.mov(rdi, Lock);
        c.mov(r12d, rounds);
        c.Label(ref next);
        c.nop();
        switch (kind)
        {
            case "inc": c.@lock.inc(__qword_ptr[rbp]); break;
            case "xadd":
                c.mov(eax, 1);
                c.@lock.xadd(__[rbp], rax);
                break;
            case "cmpxchg":
                c.mov(rax, __[rbp]);
                c.Label(ref again);
                c.lea(rcx, __[rax + 1]);
                c.@lock.cmpxchg(__[rbp], rcx);
                c.jne(again);
                break;
            case "cmpxchg8b" or "cmpxchg16b":
                c.xor(eax, eax);
                c.xor(edx, edx);
                c.Label(ref again);
                c.lea(rbx, __[rax + 1]);
                c.mov(rcx, rdx);
                if (kind == "cmpxchg8b") c.@lock.cmpxchg8b(__[rbp]);
                else c.@lock.cmpxchg16b(__[rbp]);
                c.jne(again);
                break;
            default:
                c.Label(ref again);
                c.pause();
                if (kind == "xchg lock")
                {
                    c.mov(eax, 1);
                    c.xchg(__[rdi], eax);
                    c.test(eax, eax);
                    c.jne(again);
                }
                else
                {
                    c.@lock.bts(__dword_ptr[rdi], 5);
                    c.jb(again);
                }

                c.inc(__qword_ptr[rbp]);
                c.mov(__dword_ptr[rdi], 0);
                break;
        }

        c.dec(r12d);
        c.jne(next);
    }

    private static void WaitFor(Assembler c, ulong at)
    {
        Label again = c.CreateLabel();
        c.Label(ref again);
        c.pause();
        c.cmp(__dword_ptr[at], 0);
        c.je(again);
    }

    private static void StartAp(Assembler c)
    {
        c.mov(rbx, TinyGuest.ApicBase);
        c.mov(__dword_ptr[rbx + 0xf0], 0x1ff);
        c.mov(__dword_ptr[rbx + 0x310], 1 << 24);
        c.mov(__dword_ptr[rbx + 0x300], 0x4500); // INIT
        c.mov(__dword_ptr[rbx + 0x310], 1 << 24);
        c.mov(__dword_ptr[rbx + 0x300], 0x4600 | (int)(TinyGuest.ApTrampoline >> 12)); // start-up
    }

    // Real mode, protected mode, long mode: the way that every kernel's second processor goes.
    private static void WriteTrampoline(TinyGuest guest)
    {
        const ulong Wide = TinyGuest.ApTrampoline + 0x400;
        guest.Memory.TryWrite(new GuestAddress(ApGdtPointer), (ushort)0xff);
        guest.Memory.TryWrite(new GuestAddress(ApGdtPointer + 2), (uint)TinyGuest.Gdt);
        guest.Memory.TryWrite(new GuestAddress(ApGdtPointer + 8), (ushort)0xfff);
        guest.Memory.TryWrite(new GuestAddress(ApGdtPointer + 10), (uint)TinyGuest.Idt);
        guest.Assemble(16, 0, c =>
        {
            c.cli();
            c.mov(ax, cs);
            c.mov(ds, eax);
            c.lgdt(__[(uint)(ApGdtPointer - TinyGuest.ApTrampoline)]);
            c.lidt(__[(uint)(ApGdtPointer - TinyGuest.ApTrampoline + 8)]);
            c.mov(eax, cr4);
            c.or(eax, 0x620);
            c.mov(cr4, eax);
            c.mov(eax, (uint)TinyGuest.LongMode().Cr3);
            c.mov(cr3, eax);
            c.mov(ecx, 0xc0000080);
            c.xor(edx, edx);
            c.mov(eax, 0x901);
            c.wrmsr();
            c.mov(eax, 0x80010033);
            c.mov(cr0, eax);
            c.db(0x66, 0xea); // far jump with a 32-bit offset
            c.dd((uint)Wide);
            c.dw(TinyGuest.KernelCode);
        }, TinyGuest.ApTrampoline);
        guest.Assemble(64, Wide, c =>
        {
            c.mov(eax, TinyGuest.KernelData);
            c.mov(ss, eax);
            c.mov(ds, eax);
            c.mov(rsp, TinyGuest.UserStack);
            c.jmp(ApCode);
        });
    }
}
