using Vmm.Core.Hypervisor;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Kvm.Abi;
using Vmm.TestKit;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Kvm.Tests;

public sealed unsafe class KvmHypervisorTests
{
    [Theory]
    [InlineData("/no/such/kvm", "/no/such/kvm does not exist: the kvm module is not loaded, or the processor's virtualisation is off")]
    [InlineData("/dev/null", "/dev/null is no KVM device")]
    public void Constructor_NoKvmDevice_OneClearLine(string path, string expected)
    {
        HypervisorException refused = Assert.Throws<HypervisorException>(() => new KvmHypervisor(new KvmOptions { Device = path }));
        Assert.Equal(expected, refused.Message);
    }

    [KvmTheory]
    [InlineData(0)]
    [InlineData(256)]
    public void Constructor_ImpossibleVcpuCount_OneClearLine(int count)
    {
        HypervisorException refused = Assert.Throws<HypervisorException>(() => new KvmHypervisor(new KvmOptions { VcpuCount = count }));
        Assert.StartsWith($"{count} vCPUs are not possible", refused.Message, StringComparison.Ordinal);
    }

    [KvmFact]
    public void Constructor_FeatureThatTheHostLacks_OneClearLine()
    {
        CpuModel impossible = CpuModel.Parse("host,+ia64");
        HypervisorException refused = Assert.Throws<HypervisorException>(() => new KvmHypervisor(new KvmOptions { CpuModel = impossible }));
        Assert.Equal("CPU feature +ia64 is not supported here", refused.Message);
    }

    [KvmFact]
    public void Constructor_SplitWithoutChips_Refused()
        => Assert.Throws<HypervisorException>(() => new KvmHypervisor(new KvmOptions { InterruptMode = KvmInterruptMode.Split }));

    [KvmTheory]
    [InlineData("host")]
    [InlineData("x86-64-v1")]
    [InlineData("x86-64-v2")]
    [InlineData("x86-64-v3")]
    public void Cpuid_OfEachModel_IsAcceptedAndReachesTheGuest(string model)
    {
        using TestGuest guest = new(new KvmOptions { CpuModel = CpuModel.Parse(model), VcpuCount = 2 });
        CpuidTable table = guest.Hypervisor.Cpuid.Build(0);
        guest.Program(64, c =>
        {
            c.mov(eax, 0x40000000);
            c.cpuid();
            c.mov(eax, ebx);
            c.@out(0x80, eax);
            c.mov(eax, 1);
            c.cpuid();
            c.mov(eax, ebx);
            c.@out(0x81, eax);
        });
        guest.RunToDone(guest.LongMode());
        Assert.Equal([0x4b4d564bul], guest.Io.OutValues(0x80));
        Assert.Equal([table.Lookup(1, 0).Ebx], guest.Io.OutValues(0x81));
    }

    [KvmFact]
    public void SupportedCpuid_Hypercalls_HiddenUnlessAllowed()
    {
        using KvmHypervisor hidden = new(new KvmOptions { AllowHypercalls = false });
        Assert.True(CpuFeatures.TryFind("kvm-pv-ipi", out CpuFeature feature));
        Assert.False(feature.IsIn(hidden.SupportedCpuid));
        Assert.True(CpuFeatures.TryFind("kvmclock", out feature));
        Assert.True(feature.IsIn(hidden.SupportedCpuid));
    }

    [KvmFact]
    public void Vmcall_WhereForbidden_RaisesInvalidOpcode()
    {
        using TestGuest guest = new(new KvmOptions { AllowHypercalls = false });
        guest.Assemble(64, TestGuest.Handler + (6 * 16), c =>
        {
            c.@out(0x86, al);
            TestGuest.Finish(c);
        });
        guest.Program(64, c => c.vmmcall());
        VcpuState state = guest.LongMode();
        state.Gpr[0] = 99;
        guest.RunToDone(state);
        Assert.True(guest.Io.OutValues(0x86).Any() || !TestGuest.Ring0IsInterpreted, "VMMCALL did not raise #UD");
    }

    [KvmFact]
    public void Kvmclock_Enabled_TellsTimeAndForgivesAPause()
    {
        const byte guestStopped = 2; // PVCLOCK_GUEST_STOPPED
        using TestGuest guest = new();
        Assert.False(guest.Vcpu.ForgivePause());
        guest.Program(64, c =>
        {
            c.mov(ecx, Msr.KVM_SYSTEM_TIME_NEW);
            c.mov(eax, (uint)TestGuest.Data | 1);
            c.xor(edx, edx);
            c.wrmsr();
            c.@out(0x80, al);
        });
        guest.RunToDone(guest.LongMode());
        uint version = (uint)guest.Get(TestGuest.Data);
        Assert.True(version != 0 && version % 2 == 0, "no time was written");
        Assert.NotEqual(0ul, guest.Get(TestGuest.Data + 8)); // TSC at that time
        Assert.NotEqual(0u, (uint)guest.Get(TestGuest.Data + 24)); // TSC to nanoseconds
        Assert.True(guest.Vcpu.ForgivePause());
        Assert.Equal(VcpuExit.Interrupted, guest.Run());
        Assert.Equal(guestStopped, (byte)(guest.Get(TestGuest.Data + 24) >> 40) & guestStopped);
    }

    [KvmFact]
    public void TscFrequency_OfAVcpu_IsPlausible()
    {
        using TestGuest guest = new();
        Assert.InRange(guest.Vcpu.TscFrequencyHz, 500_000_000ul, 10_000_000_000ul);
    }

    [Theory]
    [InlineData(KvmExitReason.KVM_EXIT_FAIL_ENTRY, "KVM_EXIT_FAIL_ENTRY reason 0x200000007: the processor refused the guest's state")]
    [InlineData(KvmExitReason.KVM_EXIT_INTERNAL_ERROR, "KVM_EXIT_INTERNAL_ERROR suberror 7 data 0 2a")]
    [InlineData(KvmExitReason.KVM_EXIT_SYSTEM_EVENT, "KVM_EXIT_SYSTEM_EVENT type 7")]
    [InlineData((KvmExitReason)1234, "exit 1234 of KVM is not known here, first data 0x200000007")]
    internal void Describe_UnservableExit_NamesItAndItsData(KvmExitReason reason, string expected)
    {
        KvmRun run = new() { ExitReason = reason };
        run.InternalSuberror = 7;
        run.InternalDataCount = 2;
        run.InternalData[1] = 42;
        Assert.Equal(expected, KvmExitText.Describe(&run));
    }
}
