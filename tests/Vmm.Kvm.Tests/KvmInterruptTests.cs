using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.Core.Interrupts;
using Vmm.Host;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Kvm.Tests;

public sealed class KvmInterruptTests
{
    private const ulong ApicBase = 0xfee00000;
    private const ulong IoApicBase = 0xfec00000;
    private const int Spurious = 0xf0;
    private const int EndOfInterrupt = 0xb0;
    private const ushort ReadyPort = 0x80;
    private const ushort HandlerPort = 0x81;
    private const byte Vector = 0x40;

    private static readonly MsiMessage Message = new(ApicBase, Vector);

    [KvmFact]
    public void Pic_LineRaisedWhileHalted_HandlerRuns()
    {
        using TestGuest guest = new();
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
        });
        guest.Io.Out = (port, _) => RaiseOnce(guest, port);
        guest.RunToDone(TestGuest.RealMode());
        Assert.Single(guest.Io.OutValues(HandlerPort));
    }

    [KvmFact]
    public void IoApic_LevelLine_HandlerRunsUntilTheLineFalls()
    {
        using TestGuest guest = new();
        WriteHandler(guest);
        guest.Program(64, c =>
        {
            EnableApic(c);
            c.mov(rbx, IoApicBase);
            c.mov(__dword_ptr[rbx], 0x10 + (2 * 5));
            c.mov(__dword_ptr[rbx + 0x10], 0x8000 | Vector); // level, fixed, unmasked
            c.@out(unchecked((sbyte)ReadyPort), al);
            WaitForInterrupts(c, 2);
        });
        IInterruptLine line = guest.Machine.Interrupts.Line(5);
        int handled = 0;
        guest.Io.Out = (port, _) =>
        {
            if (port == ReadyPort) line.SetLevel(true);
            if (port == HandlerPort && ++handled == 2) line.SetLevel(false);
        };
        guest.RunToDone(guest.LongMode());
        Assert.Equal(2, guest.Io.OutValues(HandlerPort).Count());
    }

    [KvmTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Message_SignalledWhileHalted_HandlerRuns(bool throughEventFd)
    {
        using TestGuest guest = new();
        using EventFd eventFd = new();
        using KvmIrqFd bound = guest.Machine.Controller.BindIrqFd(eventFd.Fd, new MsiMessage(ApicBase, 0x77));
        bound.Update(Message);
        WriteHandler(guest);
        guest.Program(64, c =>
        {
            EnableApic(c);
            c.@out(unchecked((sbyte)ReadyPort), al);
            WaitForInterrupts(c, 1);
        });
        guest.Io.Out = (port, _) =>
        {
            if (port != ReadyPort) return;
            if (throughEventFd) eventFd.Signal();
            else guest.Machine.Interrupts.Msi.Signal(Message, 0);
        };
        guest.RunToDone(guest.LongMode());
        Assert.Single(guest.Io.OutValues(HandlerPort));
    }

    [KvmFact]
    public void IrqFd_OfAGsi_RaisesItThroughTheIoApic()
    {
        using TestGuest guest = new();
        using EventFd eventFd = new();
        using KvmIrqFd bound = guest.Machine.Controller.BindIrqFd(eventFd.Fd, gsi: 9);
        WriteHandler(guest);
        guest.Program(64, c =>
        {
            EnableApic(c);
            c.mov(rbx, IoApicBase);
            c.mov(__dword_ptr[rbx], 0x10 + (2 * 9));
            c.mov(__dword_ptr[rbx + 0x10], Vector);
            c.@out(unchecked((sbyte)ReadyPort), al);
            WaitForInterrupts(c, 1);
        });
        guest.Io.Out = (port, _) =>
        {
            if (port == ReadyPort) eventFd.Signal();
        };
        guest.RunToDone(guest.LongMode());
        Assert.Single(guest.Io.OutValues(HandlerPort));
    }

    [KvmFact]
    public void IrqFds_ManyBoundAndUnbound_RoutesAreReused()
    {
        using TestGuest guest = new();
        EventFd[] eventFds = [.. Enumerable.Range(0, 40).Select(_ => new EventFd())];
        for (int round = 0; round < 3; round++)
        {
            KvmIrqFd[] bound = [.. eventFds.Select((e, i) => guest.Machine.Controller.BindIrqFd(e.Fd, new MsiMessage(ApicBase, (uint)(0x50 + i))))];
            Assert.Equal(Enumerable.Range(24, 40), bound.Select(b => b.Gsi));
            foreach (KvmIrqFd b in bound) b.Dispose();
        }

        foreach (EventFd eventFd in eventFds) eventFd.Dispose();
    }

    [KvmFact]
    public void Message_ThatReachesNobody_IsDropped()
    {
        using TestGuest guest = new();
        guest.Machine.Interrupts.Msi.Signal(new MsiMessage(0xfee77000, 0x30), 0);
        guest.Machine.Interrupts.Msi.Signal(new MsiMessage(ulong.MaxValue, uint.MaxValue), 0xffff);
        guest.Program(64, c => c.@out(unchecked((sbyte)ReadyPort), al));
        guest.RunToDone(guest.LongMode());
        Assert.Single(guest.Io.OutValues(ReadyPort));
    }

    [KvmFact]
    public void LocalApicTimer_OneShot_HandlerRuns()
    {
        using TestGuest guest = new();
        WriteHandler(guest);
        guest.Program(64, c =>
        {
            EnableApic(c);
            c.mov(rbx, ApicBase);
            c.mov(__dword_ptr[rbx + 0x3e0], 0xb); // divide by 1
            c.mov(__dword_ptr[rbx + 0x320], Vector); // LVT timer, one shot
            c.mov(__dword_ptr[rbx + 0x380], 100_000);
            WaitForInterrupts(c, 1);
        });
        guest.RunToDone(guest.LongMode());
        Assert.Single(guest.Io.OutValues(HandlerPort));
    }

    [KvmFact]
    public void Pit_Channel0_InterruptsThroughIoApicPin2()
    {
        using TestGuest guest = new();
        WriteHandler(guest);
        guest.Program(64, c =>
        {
            EnableApic(c);
            c.mov(rbx, IoApicBase);
            c.mov(__dword_ptr[rbx], 0x10 + (2 * 2));
            c.mov(__dword_ptr[rbx + 0x10], Vector);
            c.mov(al, 0x30); // channel 0, both bytes, mode 0
            c.@out(0x43, al);
            c.mov(al, 0);
            c.@out(0x40, al);
            c.mov(al, 4);
            c.@out(0x40, al);
            WaitForInterrupts(c, 1);
        });
        guest.RunToDone(guest.LongMode());
        Assert.Single(guest.Io.OutValues(HandlerPort));
    }

    [KvmFact]
    public void InitSipi_SecondVcpu_StartsInRealModeAndBothRun()
    {
        using TestGuest guest = new(new KvmOptions { VcpuCount = 2 });
        guest.Assemble(16, TestGuest.ApTrampoline, c =>
        {
            Label again = c.CreateLabel();
            c.mov(ax, cs);
            c.@out(unchecked((sbyte)HandlerPort), ax);
            c.Label(ref again);
            c.hlt();
            c.jmp(again);
        });
        guest.Assemble(64, TestGuest.Code, c =>
        {
            EnableApic(c);
            c.mov(rbx, ApicBase);
            c.mov(__dword_ptr[rbx + 0x310], 1 << 24);
            c.mov(__dword_ptr[rbx + 0x300], 0x4500); // INIT
            c.mov(__dword_ptr[rbx + 0x310], 1 << 24);
            c.mov(__dword_ptr[rbx + 0x300], 0x4600 | (int)(TestGuest.ApTrampoline >> 12)); // start-up
            Label spin = c.CreateLabel();
            c.Label(ref spin);
            c.hlt();
            c.jmp(spin);
        });
        using ManualResetEventSlim started = new();
        TestIo second = new() { Out = (_, _) => started.Set() };
        Thread ap = new(() => guest.Vcpus[1].Run(second));
        ap.Start();
        guest.Vcpu.Apply(guest.LongMode());
        Thread bsp = new(() => guest.Vcpu.Run(guest.Io));
        bsp.Start();
        bool ok = started.Wait(TimeSpan.FromSeconds(10));
        foreach (KvmVcpu vcpu in guest.Vcpus) vcpu.Kick();
        Assert.True(bsp.Join(5000) && ap.Join(5000));
        Assert.True(ok, "the application processor did not start");
        Assert.Equal([TestGuest.ApTrampoline >> 4], second.OutValues(HandlerPort));
    }

    [KvmTheory]
    [InlineData(0, 200)]
    [InlineData(3, 3000)]
    public void Kick_OfASpinningGuest_NeverLost(int cpl, int kicks)
    {
        using TestGuest guest = new();
        guest.Assemble(64, TestGuest.Code, c =>
        {
            Label again = c.CreateLabel();
            c.Label(ref again);
            c.jmp(again);
        });
        guest.Vcpu.Apply(guest.LongMode(cpl));
        int returned = 0;
        Thread runner = new(() =>
        {
            for (int i = 0; i < kicks; i++)
            {
                if (guest.Vcpu.Run(guest.Io) != VcpuExit.Interrupted) return;
                Volatile.Write(ref returned, i + 1);
            }
        });
        runner.Start();
        Random random = new(7);
        for (int i = 0; i < kicks; i++)
        {
            Thread.SpinWait(random.Next(2000));
            guest.Vcpu.Kick();
            // Each kick must end one run: a kick that were lost would stop the count here.
            Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref returned) == i + 1, 10_000), $"kick {i} was lost");
        }

        Assert.True(runner.Join(5000));
    }

    [KvmFact]
    public void Kick_BeforeRun_EndsTheNextRunOnce()
    {
        using TestGuest guest = new();
        guest.Program(64, c => c.@out(unchecked((sbyte)ReadyPort), al));
        guest.Vcpu.Apply(guest.LongMode());
        guest.Vcpu.Kick();
        Assert.Equal(VcpuExit.Interrupted, guest.Run());
        Assert.Empty(guest.Io.Log);
        Assert.Equal(VcpuExit.Interrupted, guest.Run());
        Assert.Single(guest.Io.OutValues(ReadyPort));
    }

    [KvmFact]
    public void Kick_AfterDispose_IsHarmless()
    {
        TestGuest guest = new();
        guest.Dispose();
        guest.Vcpu.Kick();
        Assert.Throws<ObjectDisposedException>(() => guest.Vcpu.Run(guest.Io));
    }

    [KvmFact]
    public void Split_ExternalInterruptAndLevelMessage_DeliveredAndEnded()
    {
        SplitChips chips = new();
        using TestGuest guest = new(new KvmOptions { InterruptMode = KvmInterruptMode.Split, SplitChips = chips });
        MsiMessage level = new(ApicBase, 0x8000 | 0x4000 | Vector); // level-triggered, asserted
        guest.Machine.Controller.SetSplitRoute(5, level);
        WriteHandler(guest);
        guest.Assemble(64, TestGuest.Handler + (0x33 * 16), c =>
        {
            c.@out(0x33, al);
            c.inc(r15);
            c.iretq();
        });
        guest.Program(64, c =>
        {
            EnableApic(c);
            c.mov(rbx, ApicBase);
            c.mov(__dword_ptr[rbx + 0x350], 0x700); // LINT0: ExtINT
            c.@out(unchecked((sbyte)ReadyPort), al);
            WaitForInterrupts(c, 2);
        });
        guest.Io.Out = (port, _) =>
        {
            if (port == ReadyPort) chips.Raise(0x33, guest.Machine);
            if (port == 0x33) guest.Machine.Interrupts.Msi.Signal(level, 0);
        };
        guest.RunToDone(guest.LongMode());
        Assert.Single(guest.Io.OutValues(0x33));
        Assert.Single(guest.Io.OutValues(HandlerPort));
        Assert.Equal([Vector], chips.Ended);
        Assert.Throws<InvalidOperationException>(() => guest.Machine.Interrupts.Line(5));
    }

    private static void RaiseOnce(TestGuest guest, ushort port)
    {
        if (port != ReadyPort) return;
        guest.Machine.Interrupts.Line(5).Pulse();
    }

    // Counts in R15, ends the interrupt, tells of it.
    private static void WriteHandler(TestGuest guest)
    {
        guest.Assemble(64, TestGuest.Handler + (Vector * 16), c => c.jmp(TestGuest.Handler - 0x800));
        guest.Assemble(64, TestGuest.Handler - 0x800, c =>
        {
            c.inc(r15);
            c.@out(unchecked((sbyte)HandlerPort), al);
            c.mov(r14, ApicBase);
            c.mov(__dword_ptr[r14 + EndOfInterrupt], 0);
            c.iretq();
        });
    }

    private static void EnableApic(Assembler c)
    {
        c.xor(r15d, r15d);
        c.mov(rbx, ApicBase);
        c.mov(__dword_ptr[rbx + Spurious], 0x1ff);
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

    private sealed class SplitChips : ISplitInterruptChips
    {
        private int _pending = -1;

        public List<byte> Ended { get; } = [];

        public bool HasExternalInterrupt => Volatile.Read(ref _pending) >= 0;

        public void Raise(byte vector, KvmMachine machine)
        {
            Volatile.Write(ref _pending, vector);
            machine.ExternalInterruptChanged();
        }

        public bool TryAcknowledge(out byte vector)
        {
            int pending = Interlocked.Exchange(ref _pending, -1);
            vector = (byte)pending;
            return pending >= 0;
        }

        public void EndOfInterrupt(byte vector) => Ended.Add(vector);
    }
}
