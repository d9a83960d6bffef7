using System.Text.Json;
using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.Tiny;

/// <summary>State that leaves one CPU in the middle of a loop and goes on in the other, and state that comes back to where it was.</summary>
public sealed class StateTests
{
    private const int Rounds = 20_000_000;

    [KvmTheory]
    [InlineData(Accelerators.Kvm, Accelerators.Software)]
    [InlineData(Accelerators.Software, Accelerators.Kvm)]
    public void RunningLoop_MovedToTheOtherCpu_EndsWithTheSameResult(string from, string to)
    {
        using TinyGuest first = new(from), second = new(to);
        WriteLoop(first);
        first.Vcpu.Apply(Start());
        Kick(first, 3);
        Assert.Equal(VcpuExit.Interrupted, first.Vcpu.Run(first.Io));
        VcpuState state = first.Capture();
        Assert.InRange(state.Gpr[1], 1ul, (ulong)Rounds - 1);
        Move(first, second);
        second.RunToDone(state);
        (ulong Sum, ulong Mix) = Expected();
        Assert.Equal((Sum, Mix, 0ul), (second.Get(TinyGuest.Data), second.Get(TinyGuest.Data + 8), second.Capture().Gpr[1]));
    }

    [KvmFact]
    public void State_ThroughTheOtherCpu_IsTheSame()
    {
        using TinyGuest kvm = new(Accelerators.Kvm), software = new(Accelerators.Software);
        WriteLoop(kvm);
        VcpuState start = Start();
        for (int i = 0; i < 16; i++) start.Gpr[i] = start.Gpr[i] == 0 ? 0x1111111111111111ul * (ulong)i : start.Gpr[i];
        start.SetMsr(Msr.STAR, 0x0013000800000000);
        start.SetMsr(Msr.LSTAR, 0xffffffff80001000);
        start.SetMsr(Msr.KERNEL_GS_BASE, 0xffff888000000000);
        for (int i = 160; i < 416; i++) start.Xsave[i] = (byte)i;
        software.Vcpu.Apply(start);
        VcpuState once = software.Capture();
        kvm.Vcpu.Apply(once);
        VcpuState twice = kvm.Capture();
        software.Vcpu.Apply(twice);
        VcpuState thrice = software.Capture();
        Assert.Equal(Describe(once), Describe(twice));
        Assert.Equal(Describe(once), Describe(thrice));
    }

    [Theory]
    [OnSoftware]
    [OnKvm]
    public void SaveAndRestore_InPlaceUnderLoad_ChangesNothing(string accelerator)
    {
        using TinyGuest guest = new(accelerator);
        WriteLoop(guest);
        guest.Vcpu.Apply(Start());
        int stops = 0;
        while (true)
        {
            bool done = false;
            guest.Io.Done = () =>
            {
                done = true;
                guest.Vcpu.Kick();
            };
            Kick(guest, 1);
            Assert.Equal(VcpuExit.Interrupted, guest.Run());
            if (done) break;
            stops++;
            VcpuState state = guest.Capture();
            guest.Vcpu.Apply(state);
            VcpuState again = guest.Capture();
            Assert.Equal(Describe(state), Describe(again));
        }

        (ulong Sum, ulong Mix) = Expected();
        Assert.Equal((Sum, Mix), (guest.Get(TinyGuest.Data), guest.Get(TinyGuest.Data + 8)));
        Assert.True(stops > 0);
    }

    private static void Kick(TinyGuest guest, int ms)
    {
        Thread kicker = new(() =>
        {
            Thread.Sleep(ms);
            guest.Vcpu.Kick();
        });
        kicker.Start();
    }

    // Memory, flags and registers all take part.
    private static void WriteLoop(TinyGuest guest) => guest.Program(64, c =>
    {
        Label again = c.CreateLabel();
        c.Label(ref again);
        c.add(__[rbx], rcx);
        c.adc(rdx, rcx);
        c.rol(rdx, 5);
        c.xor(rdx, rcx);
        c.mov(__[rbx + 8], rdx);
        c.dec(rcx);
        c.jne(again);
    });

    private static VcpuState Start()
    {
        VcpuState state = TinyGuest.LongMode(3);
        state.Gpr[1] = Rounds;
        state.Gpr[3] = TinyGuest.Data;
        return state;
    }

    private static (ulong Sum, ulong Mix) Expected()
    {
        ulong sum = 0, mix = 0;
        for (ulong i = Rounds; i != 0; i--)
        {
            ulong before = sum;
            sum += i;
            mix += i + (sum < before ? 1ul : 0);
            mix = ulong.RotateLeft(mix, 5) ^ i;
        }

        return (sum, mix);
    }

    private static void Move(TinyGuest from, TinyGuest to)
    {
        byte[] all = new byte[TinyGuest.RamBytes];
        Assert.True(from.Memory.TryCopyOut(default, all));
        Assert.True(to.Memory.TryCopyIn(default, all));
    }

    // What both CPUs have: the clock runs on, and each has MSRs of its own.
    private static string Describe(VcpuState state) => JsonSerializer.Serialize(new
    {
        state.Gpr,
        state.Rip,
        state.Rflags,
        Segments = new[] { state.Cs, state.Ss, state.Ds, state.Es, state.Fs, state.Gs, state.Tr }.Select(s => s.ToString()),
        state.Cr0,
        state.Cr2,
        state.Cr3,
        state.Cr4,
        state.Cr8,
        state.Efer,
        state.Dr,
        state.Dr6,
        state.Dr7,
        Idt = state.Idtr.ToString(),
        Gdt = state.Gdtr.ToString(),
        Star = state.FindMsr(Msr.STAR),
        Lstar = state.FindMsr(Msr.LSTAR),
        Gs = state.FindMsr(Msr.KERNEL_GS_BASE),
        Xmm = state.Xsave[160..416],
        state.Activity,
    });
}
