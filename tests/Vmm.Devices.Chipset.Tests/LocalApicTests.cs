using Vmm.Core.Hypervisor;

namespace Vmm.Devices.Chipset.Tests;

public class LocalApicTests
{
    private const uint Periodic = 1 << 17;
    private const uint TscDeadline = 2 << 17;
    private readonly FabricBench _bench = new FabricBench(vcpus: 4).Enable();

    [Fact]
    public void Reset_Registers_AsDocumented()
    {
        FabricBench bench = new(vcpus: 2);
        Assert.Equal(0u, bench.ReadApic(ApicRegister.ID));
        Assert.Equal(1u << 24, bench.ReadApic(ApicRegister.ID, 1));
        Assert.Equal(0xffu, bench.ReadApic(ApicRegister.SVR));
        Assert.Equal(uint.MaxValue, bench.ReadApic(ApicRegister.DFR));
        Assert.Equal(0x700u, bench.ReadApic(ApicRegister.LVT_LINT0));
        Assert.Equal(LvtEntry.MASKED, bench.ReadApic(ApicRegister.LVT_LINT0, 1));
        Assert.Equal(0xfee00900ul, bench.Apics[0].ApicBase);
        Assert.Equal(0xfee00800ul, bench.Apics[1].ApicBase);
    }

    [Theory]
    [InlineData(0xb, 1_000)]
    [InlineData(0x0, 2_000)]
    [InlineData(0x3, 16_000)]
    [InlineData(0xa, 128_000)]
    public void Timer_OneShot_FiresOnceAfterCountTimesDivider(uint divide, long ns)
    {
        _bench.WriteApic(ApicRegister.TDCR, divide);
        _bench.WriteApic(ApicRegister.LVT_TIMER, 0xec);
        _bench.WriteApic(ApicRegister.TMICT, 1000);
        _bench.Clock.Advance(ns - 1);
        Assert.Equal(-1, _bench.Acknowledge());
        _bench.Clock.Advance(1);
        Assert.Equal(0xec, _bench.Acknowledge());
        _bench.EndOfInterrupt();
        _bench.Clock.Advance(10 * ns);
        Assert.Equal(-1, _bench.Acknowledge());
        Assert.Equal(0u, _bench.ReadApic(ApicRegister.TMCCT));
    }

    [Fact]
    public void Timer_Periodic_FiresEveryPeriodAndCountsDown()
    {
        _bench.WriteApic(ApicRegister.TDCR, 0xb);
        _bench.WriteApic(ApicRegister.LVT_TIMER, Periodic | 0xec);
        _bench.WriteApic(ApicRegister.TMICT, 1_000_000);
        for (int i = 0; i < 5; i++)
        {
            _bench.Clock.Advance(400_000);
            Assert.Equal(600_000u, _bench.ReadApic(ApicRegister.TMCCT));
            _bench.Clock.Advance(600_000);
            Assert.Equal(0xec, _bench.Acknowledge());
            _bench.EndOfInterrupt();
        }
    }

    [Fact]
    public void Timer_PeriodicOfOneNanosecond_DoesNotStorm()
    {
        _bench.WriteApic(ApicRegister.TDCR, 0xb);
        _bench.WriteApic(ApicRegister.LVT_TIMER, Periodic | 0xec);
        _bench.WriteApic(ApicRegister.TMICT, 1);
        int fired = _bench.Signals[0].Interrupts;
        _bench.Clock.Advance(10_000_000);
        Assert.InRange(_bench.Signals[0].Interrupts - fired, 1, 101);
    }

    [Fact]
    public void Timer_TscDeadline_FiresAtTheTscAndClearsTheMsr()
    {
        ILocalApic apic = _bench.Apics[0];
        _bench.WriteApic(ApicRegister.LVT_TIMER, TscDeadline | 0xec);
        Assert.True(apic.TryWriteMsr(Msr.IA32_TSC_DEADLINE, 2_000_001));
        _bench.Clock.Advance(1_000_000);
        Assert.Equal(-1, _bench.Acknowledge());
        Assert.True(apic.TryReadMsr(Msr.IA32_TSC_DEADLINE, out ulong armed));
        Assert.Equal(2_000_001ul, armed);
        _bench.Clock.Advance(1);
        Assert.Equal(0xec, _bench.Acknowledge());
        Assert.True(apic.TryReadMsr(Msr.IA32_TSC_DEADLINE, out armed));
        Assert.Equal(0ul, armed);
    }

    [Fact]
    public void Timer_TscDeadlineInThePast_FiresAtOnce()
    {
        _bench.Clock.Advance(1000);
        _bench.WriteApic(ApicRegister.LVT_TIMER, TscDeadline | 0xec);
        Assert.True(_bench.Apics[0].TryWriteMsr(Msr.IA32_TSC_DEADLINE, 1));
        Assert.Equal(0xec, _bench.Acknowledge());
    }

    [Fact]
    public void Timer_TscDeadlineWrittenInOneShotMode_Ignored()
    {
        _bench.WriteApic(ApicRegister.LVT_TIMER, 0xec);
        Assert.True(_bench.Apics[0].TryWriteMsr(Msr.IA32_TSC_DEADLINE, 1));
        _bench.Clock.Advance(1000);
        Assert.Equal(-1, _bench.Acknowledge());
        Assert.True(_bench.Apics[0].TryReadMsr(Msr.IA32_TSC_DEADLINE, out ulong value));
        Assert.Equal(0ul, value);
    }

    [Fact]
    public void Interrupts_TwoPriorities_HigherNestsAndLowerWaitsForEoi()
    {
        SelfIpi(0x41);
        Assert.Equal(0x41, _bench.Acknowledge());
        SelfIpi(0x45);
        Assert.Equal(-1, _bench.Acknowledge());
        SelfIpi(0x61);
        Assert.Equal(0x61, _bench.Acknowledge());
        Assert.Equal(0x60u, _bench.ReadApic(ApicRegister.PPR));
        _bench.EndOfInterrupt();
        Assert.Equal(-1, _bench.Acknowledge());
        _bench.EndOfInterrupt();
        Assert.Equal(0x45, _bench.Acknowledge());
    }

    [Fact]
    public void TaskPriority_AboveTheVector_HoldsItBack()
    {
        _bench.Apics[0].TaskPriorityClass = 5;
        Assert.Equal(0x50u, _bench.ReadApic(ApicRegister.TPR));
        SelfIpi(0x5f);
        Assert.False(_bench.Apics[0].HasInterrupt);
        int signals = _bench.Signals[0].Interrupts;
        _bench.WriteApic(ApicRegister.TPR, 0x40);
        Assert.True(_bench.Signals[0].Interrupts > signals);
        Assert.Equal(0x5f, _bench.Acknowledge());
    }

    [Fact]
    public void SoftwareDisable_MasksLvtsAndDropsIpis()
    {
        _bench.WriteApic(ApicRegister.LVT_TIMER, 0xec);
        _bench.WriteApic(ApicRegister.SVR, 0xff);
        Assert.Equal(LvtEntry.MASKED | 0xec, _bench.ReadApic(ApicRegister.LVT_TIMER));
        _bench.WriteApic(ApicRegister.LVT_TIMER, 0xec);
        Assert.Equal(LvtEntry.MASKED | 0xec, _bench.ReadApic(ApicRegister.LVT_TIMER));
        SelfIpi(0x41);
        Assert.Equal(-1, _bench.Acknowledge());
    }

    [Theory]
    [InlineData(0u, 0x00000u, "0")]
    [InlineData(2u, 0x00000u, "2")]
    [InlineData(0xffu, 0x00000u, "0123")]
    [InlineData(0u, 0x40000u, "1")]
    [InlineData(0u, 0x80000u, "0123")]
    [InlineData(0u, 0xc0000u, "023")]
    public void Ipi_FromVcpu1_ReachesWhomTheCommandNames(uint destination, uint shorthand, string expected)
    {
        _bench.WriteApic(ApicRegister.ICR_HIGH, destination << 24, 1);
        _bench.WriteApic(ApicRegister.ICR, shorthand | 0x50, 1);
        Assert.Equal(expected, WhoTakes(0x50));
    }

    [Theory]
    [InlineData(0xf0000000u, 0x6u, "12")]
    [InlineData(0xf0000000u, 0x8u, "3")]
    [InlineData(0x00000000u, 0x13u, "01")]
    [InlineData(0x00000000u, 0x22u, "3")]
    public void Ipi_Logical_FlatAndClusterModels(uint dfr, uint destination, string expected)
    {
        bool flat = dfr != 0;
        uint[] ldr = flat ? [1, 2, 4, 8] : [0x11, 0x12, 0x21, 0x22];
        for (int i = 0; i < 4; i++)
        {
            _bench.WriteApic(ApicRegister.DFR, dfr, i);
            _bench.WriteApic(ApicRegister.LDR, ldr[i] << 24, i);
        }

        _bench.WriteApic(ApicRegister.ICR_HIGH, destination << 24);
        _bench.WriteApic(ApicRegister.ICR, 0x800 | 0x50);
        Assert.Equal(expected, WhoTakes(0x50));
    }

    [Fact]
    public void Ipi_LowestPriority_GoesToTheLeastBusyOne()
    {
        for (int i = 0; i < 4; i++)
        {
            _bench.WriteApic(ApicRegister.LDR, 1u << (24 + i), i);
            _bench.WriteApic(ApicRegister.TPR, i == 2 ? 0x10u : 0x30u, i);
        }

        _bench.WriteApic(ApicRegister.ICR_HIGH, 0x0fu << 24);
        _bench.WriteApic(ApicRegister.ICR, 0x900 | 0x50);
        Assert.Equal("2", WhoTakes(0x50));
    }

    [Fact]
    public void Ipi_InitSipiNmi_ReachTheVcpu()
    {
        _bench.WriteApic(ApicRegister.ICR_HIGH, 3u << 24);
        _bench.WriteApic(ApicRegister.ICR, 0xc500); // INIT, level, assert
        _bench.WriteApic(ApicRegister.ICR, 0x8500); // INIT, level, de-assert
        _bench.WriteApic(ApicRegister.ICR, 0x0699);
        _bench.WriteApic(ApicRegister.ICR, 0x0400);
        Assert.Equal(1, _bench.Signals[3].Inits);
        Assert.Equal([0x99], _bench.Signals[3].Sipis);
        Assert.Equal(1, _bench.Signals[3].Nmis);
        Assert.Equal(0, _bench.Signals[2].Inits);
    }

    [Fact]
    public void Ipi_IllegalVector_RecordsAnErrorAndRaisesTheErrorEntry()
    {
        _bench.WriteApic(ApicRegister.LVT_ERROR, 0xfe);
        SelfIpi(5);
        Assert.Equal(0u, _bench.ReadApic(ApicRegister.ESR));
        _bench.WriteApic(ApicRegister.ESR, 0);
        Assert.Equal((uint)EsrBits.SendIllegalVector, _bench.ReadApic(ApicRegister.ESR));
        Assert.Equal(0xfe, _bench.Acknowledge());
        _bench.WriteApic(ApicRegister.ESR, 0);
        Assert.Equal(0u, _bench.ReadApic(ApicRegister.ESR));
    }

    [Fact]
    public void X2Apic_LogicalAndPhysicalIpis_ReachByWideIds()
    {
        FabricBench bench = new FabricBench(vcpus: 20).EnableX2Apic();
        ILocalApic first = bench.Apics[0];
        Assert.True(bench.Apics[18].TryReadMsr(0x80d, out ulong ldr));
        Assert.Equal(0x1_0004ul, ldr);
        Assert.True(first.TryWriteMsr(0x830, 18ul << 32 | 0x50));
        Assert.Equal(0x50, bench.Acknowledge(18));
        Assert.True(first.TryWriteMsr(0x830, 0x1_0006ul << 32 | 0x850 | 1));
        Assert.Equal([17, 18], Enumerable.Range(0, 20).Where(i => bench.Apics[i].HasInterrupt || bench.Acknowledge(i) >= 0 || IrrHas(bench, i, 0x51)));
        Assert.True(first.TryWriteMsr(0x83f, 0x66));
        Assert.Equal(0x66, bench.Acknowledge());
        Assert.True(first.TryWriteMsr(0x80b, 0));
        Assert.Equal(uint.MaxValue, bench.ReadApic(ApicRegister.ID));
    }

    [Theory]
    [InlineData(0x80bu, 1ul)]
    [InlineData(0x802u, 0ul)]
    [InlineData(0x80eu, 0ul)]
    [InlineData(0x831u, 0ul)]
    [InlineData(0x839u, 0ul)]
    [InlineData(0x808u, 0x100ul)]
    [InlineData(0x832u, 0x1_0000_0000ul)]
    [InlineData(0x8ffu, 0ul)]
    public void X2Apic_BadWrite_Refused(uint msr, ulong value)
    {
        Assert.False(new FabricBench().EnableX2Apic().Apics[0].TryWriteMsr(msr, value));
    }

    [Fact]
    public void X2Apic_MsrsInXApicMode_Refused()
    {
        Assert.False(_bench.Apics[0].TryReadMsr(0x802, out _));
        Assert.False(_bench.Apics[0].TryWriteMsr(0x808, 0));
    }

    [Fact]
    public void ApicBase_ModeChanges_OnlyTheLegalOnes()
    {
        ILocalApic apic = new FabricBench().Apics[0];
        Assert.False(apic.TrySetApicBase(0xfee00500));
        Assert.True(apic.TrySetApicBase(0xfee00d00));
        Assert.False(apic.TrySetApicBase(0xfee00900));
        Assert.True(apic.TrySetApicBase(0xfee00100));
        Assert.False(apic.TrySetApicBase(0xfee00d00));
        Assert.True(apic.TrySetApicBase(0xfee00900));
        Assert.False(apic.TrySetApicBase(0xfee00901));
    }

    [Fact]
    public void SaveRegisters_UnderLoad_ContinuesElsewhere()
    {
        _bench.WriteApic(ApicRegister.TDCR, 0xb);
        _bench.WriteApic(ApicRegister.LVT_TIMER, Periodic | 0xec);
        _bench.WriteApic(ApicRegister.TMICT, 1_000_000);
        _bench.Clock.Advance(300_000);
        SelfIpi(0x41);
        Assert.Equal(0x41, _bench.Acknowledge());
        SelfIpi(0x35);

        byte[] page = new byte[1024], again = new byte[1024];
        _bench.Apics[0].SaveRegisters(page);
        FabricBench other = new();
        other.Clock.Advance(77_777_777);
        other.Apics[0].RestoreRegisters(page, _bench.Apics[0].ApicBase, 0);
        other.Apics[0].SaveRegisters(again);

        Assert.Equal(page, again);
        other.Clock.Advance(699_999);
        Assert.Equal(-1, other.Acknowledge());
        other.Clock.Advance(1);
        Assert.Equal(0xec, other.Acknowledge());
        other.EndOfInterrupt();
        other.EndOfInterrupt();
        Assert.Equal(0x35, other.Acknowledge());
    }

    [Fact]
    public void SaveRegisters_TscDeadline_ContinuesElsewhere()
    {
        FabricBench bench = new FabricBench().EnableX2Apic();
        Assert.True(bench.Apics[0].TryWriteMsr(0x832, TscDeadline | 0xec));
        Assert.True(bench.Apics[0].TryWriteMsr(Msr.IA32_TSC_DEADLINE, 1000));
        byte[] page = new byte[1024];
        bench.Apics[0].SaveRegisters(page);
        FabricBench other = new();
        other.Apics[0].RestoreRegisters(page, bench.Apics[0].ApicBase, 1000);
        other.Clock.Advance(499);
        Assert.Equal(-1, other.Acknowledge());
        other.Clock.Advance(1);
        Assert.Equal(0xec, other.Acknowledge());
    }

    [Fact]
    public void TimerAndEoi_Warm_AllocateNothing()
    {
        ILocalApic apic = _bench.Apics[0];
        _bench.WriteApic(ApicRegister.LVT_TIMER, TscDeadline | 0xec);
        byte[] zero = new byte[4];
        _bench.Clock.Advance(1000);
        long before = 0;
        for (int i = 0; i < 2000; i++)
        {
            if (i == 1000) before = GC.GetAllocatedBytesForCurrentThread();
            apic.TryWriteMsr(Msr.IA32_TSC_DEADLINE, 1);
            apic.TryWriteMsr(Msr.IA32_TSC_DEADLINE, ulong.MaxValue);
            Assert.True(apic.HasInterrupt && apic.TryAcknowledge(out _));
            _bench.Guest.Mmio.Write(FabricBench.Apic + ApicRegister.EOI * 16, zero, 0);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public async Task Raise_FromTwoThreads_LosesNothing()
    {
        const int Rounds = 300;
        int taken = 0;
        Task other = Task.Run(() =>
        {
            for (int i = 0; i < Rounds; i++)
            {
                _bench.Apics[1].TryWriteMsr(Msr.IA32_TSC_DEADLINE, 0);
                _bench.Fabric.Signal(new(0xfee00000, 0x51), 0);
                while (Volatile.Read(ref taken) <= i) Thread.Yield();
            }
        });
        while (!other.IsCompleted)
        {
            if (_bench.Acknowledge() < 0) continue;
            _bench.EndOfInterrupt();
            Volatile.Write(ref taken, taken + 1);
        }

        await other;
        Assert.Equal(Rounds, taken);
    }

    private void SelfIpi(byte vector) => _bench.WriteApic(ApicRegister.ICR, 0x40000u | vector);

    private string WhoTakes(int vector) => string.Concat(Enumerable.Range(0, 4).Where(i => _bench.Acknowledge(i) == vector));

    private static bool IrrHas(FabricBench bench, int vcpu, int vector)
    {
        Assert.True(bench.Apics[vcpu].TryReadMsr((uint)(0x820 + vector / 32), out ulong word));
        return (word >> (vector % 32) & 1) != 0;
    }
}
