using Iced.Intel;
using Vmm.Core.Hypervisor;
using Vmm.Kvm;
using Vmm.Machine;
using Vmm.Machine.Config;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Guest.Tests.LifeCycle;

public class LifeCycleTests
{
    public static TheoryData<Accelerator> Accelerators { get; } = KvmProbe.Run(KvmProbe.QuickBudget).IsUsable
        ? [Accelerator.Software, Accelerator.Kvm]
        : [Accelerator.Software];

    [Theory]
    [MemberData(nameof(Accelerators))]
    public void Run_GuestPowersOff_EndsWithPowerOffAndItsOutput(Accelerator accel)
    {
        using RunningMachine machine = new(accel, code =>
        {
            Print(code, "bye");
            PowerOff(code);
        });

        Assert.Equal(MachineEnd.PowerOff, machine.WaitForEnd().End);
        machine.WaitForOutput("bye");
    }

    [Theory]
    [MemberData(nameof(Accelerators))]
    public void Run_GuestResetsAndPolicyIsExit_EndsWithReset(Accelerator accel)
    {
        using RunningMachine machine = new(accel, Reset);

        Assert.Equal(MachineEnd.Reset, machine.WaitForEnd().End);
        Assert.Equal(1, machine.Machine.Statistics.Boots);
    }

    [Theory]
    [MemberData(nameof(Accelerators))]
    public void Statistics_GuestRanOneInstructionThatKvmMayHandOver_CountWhatTheSoftwareCpuDid(Accelerator accel)
    {
        using RunningMachine machine = new(accel, code =>
        {
            code.mov(ecx, 7);
            code.popcnt(eax, ecx);
            PowerOff(code);
        });
        machine.WaitForEnd();
        MachineStatistics statistics = machine.Machine.Statistics;

        // A KVM that runs ring 0 natively hands nothing over; one that emulates it hands over the popcnt and nothing else.
        if (accel == Accelerator.Kvm) Assert.InRange(statistics.Instructions, 0ul, 1ul);
        else Assert.True(statistics.Instructions > 2);
        Assert.Equal(accel == Accelerator.Kvm, statistics.ToString().Contains("handed to the software CPU", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Accelerators))]
    public void Run_GuestResetsAndPolicyIsRestart_StartsAgainWithCleanMemory(Accelerator accel)
    {
        using RunningMachine machine = new(accel, code =>
        {
            // Memory that the last life wrote must be gone: a letter other than 'a' would say that it is not.
            code.mov(ebx, __dword_ptr[0x200000]);
            code.inc(__dword_ptr[0x200000]);
            code.lea(eax, __[ebx + 'a']);
            code.mov(edx, 0x3f8);
            code.@out(dx, al);
            Reset(code);
        }, config => config with { OnReboot = RebootPolicy.Restart });
        machine.WaitForOutput("aaaaa");
        machine.Machine.Stop("enough");

        Assert.Equal(new MachineOutcome(MachineEnd.Stopped, "enough"), machine.WaitForEnd());
        Assert.Equal("", machine.Com1.Trim('a'));
        Assert.True(machine.Machine.Statistics.Boots >= 5);
    }

    [Theory]
    [MemberData(nameof(Accelerators))]
    public void Run_TripleFault_EndsWithRegisters(Accelerator accel)
    {
        using RunningMachine machine = new(accel, code =>
        {
            code.mov(esp, 0x8000);
            code.push(0);
            code.push(0);
            code.lidt(__[esp]);
            code.mov(ebx, 0x12345678);
            code.ud2();
        });
        MachineOutcome outcome = machine.WaitForEnd();

        Assert.Equal(MachineEnd.TripleFault, outcome.End);
        Assert.Contains("vCPU 0", outcome.Reason, StringComparison.Ordinal);
        Assert.Contains("rbx 0000000012345678", outcome.Dump, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Accelerators))]
    public void Run_GuestReportsPanic_EndsWithGuestPanic(Accelerator accel)
    {
        using RunningMachine machine = new(accel, code =>
        {
            Out(code, 0x505, 1);
            Forever(code);
        });

        Assert.Equal(MachineEnd.GuestPanic, machine.WaitForEnd().End);
    }

    [Fact]
    public void Run_GuestHaltsForEver_EndsWithHalted()
    {
        using RunningMachine machine = new(Accelerator.Software, code =>
        {
            code.cli();
            code.hlt();
        });

        Assert.Equal(MachineEnd.Halted, machine.WaitForEnd().End);
    }

    [Theory]
    [MemberData(nameof(Accelerators))]
    public void Pause_RunningGuest_StandsStillUntilResume(Accelerator accel)
    {
        using RunningMachine machine = new(accel, code =>
        {
            Print(code, "go");
            Label again = code.CreateLabel();
            code.Label(ref again);
            code.inc(ebx);
            code.jmp(again);
        });
        machine.WaitForOutput("go");
        machine.Machine.Pause();
        ulong first = Counter(machine);
        Thread.Sleep(20);
        ulong second = Counter(machine);
        machine.Machine.Resume();

        Assert.Equal(first, second);
        Assert.True(SpinWait.SpinUntil(() => Counter(machine) != second, TimeSpan.FromSeconds(30)));
    }

    [Theory]
    [MemberData(nameof(Accelerators))]
    public void Stop_GuestInATightLoop_EndsIt(Accelerator accel)
    {
        using RunningMachine machine = new(accel, code =>
        {
            Print(code, "go");
            code.cli();
            Forever(code);
        });
        machine.WaitForOutput("go");
        machine.Machine.Stop("enough");

        Assert.Equal(MachineEnd.Stopped, machine.WaitForEnd().End);
    }

    [Fact]
    public void New_CpuFeatureThatCannotBeHad_IsOneLine()
    {
        HypervisorException refused = Assert.Throws<HypervisorException>(() =>
            new RunningMachine(Accelerator.Software, Forever, config => config with { Cpu = "x86-64-v2,+svm" }));
        Assert.DoesNotContain('\n', refused.Message);
    }

    private static ulong Counter(RunningMachine machine) => machine.Machine.CaptureVcpus()[0].Gpr[3];

    internal static void Out(Assembler code, int port, byte value)
    {
        code.mov(edx, port);
        code.mov(eax, value);
        code.@out(dx, al);
    }

    internal static void Print(Assembler code, string text)
    {
        foreach (char c in text) Out(code, 0x3f8, (byte)c);
    }

    internal static void PowerOff(Assembler code)
    {
        const int SleepEnable = 1 << 13, SoftOff = 5 << 10;
        code.mov(edx, 0x604);
        code.mov(eax, SleepEnable | SoftOff);
        code.@out(dx, ax);
        Forever(code);
    }

    internal static void Reset(Assembler code)
    {
        Out(code, 0xcf9, 2);
        Out(code, 0xcf9, 6);
        Forever(code);
    }

    internal static void Forever(Assembler code)
    {
        Label here = code.CreateLabel();
        code.Label(ref here);
        code.jmp(here);
    }
}
