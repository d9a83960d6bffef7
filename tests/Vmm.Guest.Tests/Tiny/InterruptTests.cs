using Iced.Intel;
using Vmm.Core.Interrupts;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>Interrupts by every way into a vCPU, and what keeps them out.</summary>
public sealed class InterruptTests
{
    private const byte Vector = 0x40;
    private const ushort ReadyPort = 0x80, HandlerPort = 0x81;

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void Pic_LineRaisedWhileHalted_HandlerRuns(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Assemble(16, 0x5000, c =>
        {
            c.@out(unchecked((sbyte)HandlerPort), al);
            c.mov(al, 0x20);
            c.@out(0x20, al);
            c.iret();
        });
        guest.Memory.TryWrite(new Core.Memory.GuestAddress(0x25 * 4), 0x5000u);
        guest.Program(16, c =>
        {
            foreach ((sbyte port, byte value) in new[] { ((sbyte)0x20, (byte)0x11), ((sbyte)0x21, (byte)0x20), ((sbyte)0x21, (byte)4), ((sbyte)0x21, (byte)1), ((sbyte)0x21, (byte)0xdf) })
            {
                c.mov(al, value);
                c.@out(port, al);
            }

            c.@out(unchecked((sbyte)ReadyPort), al);
            c.sti();
            c.hlt();
        }, real: true);
        guest.Io.Out = (port, _) =>
        {
            if (port == ReadyPort) guest.Machine.Interrupts.Line(5).Pulse();
        };
        guest.RunToDone(TinyGuest.RealMode());
        Assert.Single(guest.Io.Outs(HandlerPort));
    }

    [Theory]
    [OnSoftware(true, 3)]
    [OnKvm(true, 3)]
    [OnSoftware(false, 1)]
    [OnKvm(false, 1)]
    public void IoApic_LevelComesAgainUntilTheLineFalls_EdgeOnce(string accelerator, bool level, int expected)
    {
        using TinyGuest guest = new(accelerator);
        WriteHandler(guest);
        guest.Program(64, c =>
        {
            EnableApic(c);
            c.mov(rbx, TinyGuest.IoApicBase);
            c.mov(__dword_ptr[rbx], 0x10 + (2 * 5));
            c.mov(__dword_ptr[rbx + 0x10], (level ? 0x8000 : 0) | Vector);
            c.@out(unchecked((sbyte)ReadyPort), al);
            WaitForInterrupts(c, expected);
            c.sti();
            c.nop();
            c.nop();
            c.cli();
        });
        IInterruptLine line = guest.Machine.Interrupts.Line(5);
        int handled = 0;
        guest.Io.Out = (port, _) =>
        {
            if (port == ReadyPort) line.SetLevel(true);
            if (port == HandlerPort && ++handled == 3) line.SetLevel(false);
        };
        guest.RunToDone(TinyGuest.LongMode());
        Assert.Equal(expected, guest.Io.Outs(HandlerPort).Count());
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void Message_WhileHalted_HandlerRuns(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        WriteHandler(guest);
        guest.Program(64, c =>
        {
            EnableApic(c);
            c.@out(unchecked((sbyte)ReadyPort), al);
            WaitForInterrupts(c, 1);
        });
        guest.Io.Out = (port, _) =>
        {
            if (port == ReadyPort) guest.Machine.Interrupts.Msi.Signal(new MsiMessage(TinyGuest.ApicBase, Vector), 0);
        };
        guest.RunToDone(TinyGuest.LongMode());
        Assert.Single(guest.Io.Outs(HandlerPort));
    }

    [Theory]
    [OnSoftware("one-shot", 1)]
    [OnKvm("one-shot", 1)]
    [OnSoftware("periodic", 5)]
    [OnKvm("periodic", 3)]
    [OnSoftware("deadline", 1)]
    [OnKvm("deadline", 1)]
    public void ApicTimer_WakesAHaltedVcpu(string accelerator, string mode, int count)
    {
        using TinyGuest guest = new(accelerator);
        WriteHandler(guest);
        guest.Program(64, c =>
        {
            EnableApic(c);
            c.mov(rbx, TinyGuest.ApicBase);
            c.mov(__dword_ptr[rbx + 0x3e0], 0xb); // divide by 1
            c.mov(__dword_ptr[rbx + 0x320], Vector | (mode == "periodic" ? 1 << 17 : mode == "deadline" ? 2 << 17 : 0));
            if (mode == "deadline")
            {
                c.mfence();
                c.rdtsc();
                c.add(eax, 3_000_000);
                c.adc(edx, 0);
                c.mov(ecx, 0x6e0);
                c.wrmsr();
            }
            else
            {
                c.mov(__dword_ptr[rbx + 0x380], mode == "periodic" ? 5_000_000 : 300_000);
            }

            WaitForInterrupts(c, count);
            c.mov(__dword_ptr[rbx + 0x320], 1 << 16);
        });
        guest.RunToDone(TinyGuest.LongMode());
        Assert.True(guest.Io.Outs(HandlerPort).Count() >= count);
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void TaskPriority_KeepsAnInterruptOutUntilCr8Falls(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        WriteHandler(guest);
        guest.Program(64, c =>
        {
            Label spin = c.CreateLabel(), wait = c.CreateLabel();
            EnableApic(c);
            c.mov(eax, Vector >> 4);
            c.mov(cr8, rax);
            c.@out(unchecked((sbyte)ReadyPort), al);
            c.sti();
            c.mov(ecx, 1000);
            c.Label(ref spin);
            c.dec(ecx);
            c.jne(spin);
            c.mov(r12, r15); // none so far
            c.mov(rbx, TinyGuest.ApicBase);
            c.mov(r13d, __[rbx + 0x80]);
            c.xor(eax, eax);
            c.mov(cr8, rax);
            c.Label(ref wait);
            c.pause();
            c.test(r15d, r15d);
            c.je(wait);
            c.cli();
        });
        guest.Io.Out = (port, _) =>
        {
            if (port == ReadyPort) guest.Machine.Interrupts.Msi.Signal(new MsiMessage(TinyGuest.ApicBase, Vector), 0);
        };
        guest.RunToDone(TinyGuest.LongMode());
        Assert.Equal((0ul, 1ul), (guest.Capture().Gpr[12], guest.Capture().Gpr[15]));
        Assert.Equal((ulong)(Vector & 0xf0), guest.Capture().Gpr[13]);
    }

    [Theory]
    [OnSoftware(0, 5000)]
    [OnKvm(3, 1000)]
    [OnSoftware(3, 5000)]
    public void Kick_OfAGuestThatNeverExits_IsNeverLost(string accelerator, int cpl, int kicks)
    {
        using TinyGuest guest = new(accelerator);
        guest.Assemble(64, TinyGuest.Code, c =>
        {
            Label again = c.CreateLabel();
            c.Label(ref again);
            c.jmp(again);
        });
        guest.Vcpu.Apply(TinyGuest.LongMode(cpl));
        int returned = 0;
        Thread runner = new(() =>
        {
            for (int i = 0; i < kicks; i++)
            {
                if (guest.Vcpu.Run(guest.Io) != Core.Hypervisor.VcpuExit.Interrupted) return;
                Volatile.Write(ref returned, i + 1);
            }
        });
        runner.Start();
        Random random = new(7);
        for (int i = 0; i < kicks; i++)
        {
            Thread.SpinWait(random.Next(500));
            guest.Vcpu.Kick();
            Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref returned) == i + 1, 10_000), $"kick {i} was lost");
        }

        Assert.True(runner.Join(5000));
    }

    [Theory]
    [OnSoftware]
    public void Kick_OfAHaltedGuest_LeavesItHalted(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        guest.Assemble(64, TinyGuest.Code, c =>
        {
            c.sti();
            c.hlt();
        });
        guest.Vcpu.Apply(TinyGuest.LongMode());
        for (int i = 0; i < 3; i++)
        {
            using Timer kick = new(_ => guest.Vcpu.Kick(), null, 20, Timeout.Infinite);
            Assert.Equal(Core.Hypervisor.VcpuExit.Interrupted, guest.Vcpu.Run(guest.Io));
            Assert.Equal(Core.Hypervisor.VcpuActivity.Halted, guest.Capture().Activity);
        }
    }

    // Counts in R15, ends the interrupt, tells of it.
    private static void WriteHandler(TinyGuest guest)
    {
        guest.Gate64(Vector, TinyGuest.Stubs);
        guest.Assemble(64, TinyGuest.Stubs, c =>
        {
            c.inc(r15);
            c.@out(unchecked((sbyte)HandlerPort), al);
            c.mov(r14, TinyGuest.ApicBase);
            c.mov(__dword_ptr[r14 + 0xb0], 0);
            c.iretq();
        });
    }

    private static void EnableApic(Assembler c)
    {
        // KVM's 8259 is open from the start.
        c.mov(al, 0xff);
        c.@out(0x21, al);
        c.@out(unchecked((sbyte)0xa1), al);
        c.xor(r15d, r15d);
        c.mov(rbx, TinyGuest.ApicBase);
        c.mov(__dword_ptr[rbx + 0xf0], 0x1ff);
    }

    private static void WaitForInterrupts(Assembler c, int count)
    {
        Label again = c.CreateLabel();
        Label done = c.CreateLabel();
        c.Label(ref again);
        c.cli();
        c.cmp(r15, count);
        c.jae(done);
        c.sti();
        c.hlt();
        c.jmp(again);
        c.Label(ref done);
        c.nop();
    }
}
