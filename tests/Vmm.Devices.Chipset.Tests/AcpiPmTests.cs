using Vmm.TestKit;

namespace Vmm.Devices.Chipset.Tests;

public class AcpiPmTests
{
    private const ushort Status = 0x600, Enable = 0x602, Control = 0x604, Timer = 0x608, GpeStatus = 0x620, GpeEnable = 0x622;
    private readonly FakeClock _clock = new();
    private readonly FakeLine _sci = new();
    private readonly FakeMachineControl _machine = new();
    private readonly GuestDriver _guest = new();
    private readonly PmTimer _timer;
    private readonly AcpiPm _pm;

    public AcpiPmTests()
    {
        _timer = new PmTimer(_clock);
        _pm = new AcpiPm(_sci, _machine, _timer, _clock);
        _guest.Ports.Attach(Status, AcpiPm.EventBytes, _pm, AcpiPm.EventRegion);
        _guest.Ports.Attach(Control, AcpiPm.ControlBytes, _pm, AcpiPm.ControlRegion);
        _guest.Ports.Attach(Timer, PmTimer.PortCount, _timer);
        _guest.Ports.Attach(GpeStatus, AcpiPm.GpeBytes, _pm, AcpiPm.GpeRegion);
        _guest.Ports.Attach(ResetControl.Port, 1, new ResetControl(_machine));
        _guest.Ports.Attach(PvPanic.Port, 1, new PvPanic(_machine));
    }

    [Fact]
    public void Control_SciEnable_AlwaysSet()
    {
        Assert.Equal(1, _guest.In16(Control));
        _guest.Out16(Control, 0);
        Assert.Equal(1, _guest.In16(Control));
    }

    [Fact]
    public void PowerButton_Enabled_LevelUntilStatusCleared()
    {
        _pm.PressPowerButton();
        Assert.False(_sci.IsAsserted);
        _guest.Out16(Enable, 0x100);
        Assert.True(_sci.IsAsserted);
        Assert.Equal(0x100, _guest.In16(Status));
        _guest.Out16(Status, 0x100);
        Assert.False(_sci.IsAsserted);
        Assert.Equal(0, _guest.In16(Status));
    }

    [Fact]
    public void SleepEnable_S5_PowersOff()
    {
        _guest.Out16(Control, AcpiPm.S5SleepType << 10);
        Assert.Equal(0, _machine.PowerOffs);
        _guest.Out16(Control, AcpiPm.S5SleepType << 10 | 1 << 13);
        Assert.Equal(1, _machine.PowerOffs);
    }

    [Fact]
    public void SleepEnable_AnotherState_DoesNot()
    {
        _guest.Out16(Control, 1 << 10 | 1 << 13);
        Assert.Equal(0, _machine.PowerOffs);
    }

    [Fact]
    public void Gpe_RaisedAndEnabled_AssertsTheSci()
    {
        _guest.Out16(GpeEnable, 1 << 9);
        _pm.RaiseGpe(3);
        Assert.False(_sci.IsAsserted);
        _pm.RaiseGpe(9);
        Assert.True(_sci.IsAsserted);
        Assert.Equal(1 << 9 | 1 << 3, _guest.In16(GpeStatus));
        _guest.Out8(GpeStatus + 1, 2);
        Assert.False(_sci.IsAsserted);
        Assert.Throws<ArgumentOutOfRangeException>(() => _pm.RaiseGpe(16));
    }

    [Fact]
    public void PmTimer_OneSecond_IsItsFrequency()
    {
        uint before = _guest.In32(Timer);
        _clock.Advance(1_000_000_000);
        Assert.Equal(3_579_545u, _guest.In32(Timer) - before);
        Assert.Equal((byte)(_guest.In32(Timer) >> 8), _guest.In8(Timer + 1));
    }

    [Fact]
    public void PmTimer_24Bits_Wraps()
    {
        PmTimer narrow = new(_clock, is32Bit: false);
        _guest.Ports.Attach(0x700, 4, narrow);
        _clock.Advance(5_000_000_000);
        Assert.Equal(5u * 3_579_545 - (1 << 24), _guest.In32(0x700));
    }

    [Fact]
    public void PmTimer_Carry_SetsStatusAndInterruptsWhenEnabled()
    {
        _guest.Out16(Enable, 1);
        _clock.Advance(599_000_000_000);
        Assert.False(_sci.IsAsserted);
        _clock.Advance(2_000_000_000);
        Assert.True(_sci.IsAsserted);
        Assert.Equal(1, _guest.In16(Status));
        _guest.Out16(Status, 1);
        Assert.False(_sci.IsAsserted);
    }

    [Fact]
    public void PmTimerState_OnAnotherClock_CountsOn()
    {
        _clock.Advance(1_000_000_000);
        FakeClock clock = new();
        PmTimer other = new(clock);
        StateContract.Check(_timer, other);
        clock.Advance(1_000_000_000);
        _guest.Ports.Attach(0x700, 4, other);
        Assert.Equal(2u * 3_579_545, _guest.In32(0x700));
    }

    [Fact]
    public void State_UnderLoad_RestoresTheSciWithoutAnEdge()
    {
        _guest.Out16(Enable, 0x100);
        _guest.Out16(GpeEnable, 0x8001);
        _pm.PressPowerButton();
        FakeLine sci = new();
        AcpiPm other = new(sci, _machine, _timer, _clock);
        StateContract.Check(_pm, other);
        Assert.True(sci.IsAsserted);
        Assert.Equal(0, sci.RisingEdges);
    }

    [Theory]
    [InlineData(0x06, 1)]
    [InlineData(0x0e, 1)]
    [InlineData(0x02, 0)]
    [InlineData(0x08, 0)]
    public void ResetControl_RcpuBit_Resets(byte value, int resets)
    {
        _guest.Out8(ResetControl.Port, value);
        Assert.Equal(resets, _machine.Resets);
    }

    [Fact]
    public void ResetControl_State_RoundTrips()
    {
        ResetControl original = new(_machine);
        original.Restore(new ResetControlState { Value = 2 });
        StateContract.Check(original, new ResetControl(_machine));
    }

    [Fact]
    public void PvPanic_Event_IsReported()
    {
        Assert.Equal(1, _guest.In8(PvPanic.Port));
        _guest.Out8(PvPanic.Port, 2);
        Assert.Equal(0, _machine.Panics);
        _guest.Out8(PvPanic.Port, 1);
        Assert.Equal(1, _machine.Panics);
    }

    [Fact]
    public void HostileGuest_NeverThrowsNorAllocates()
    {
        HostileGuest hostile = new(600) { Meanwhile = r => _pm.RaiseGpe(r.Next(16)) };
        hostile.Torment(1000, _clock, _guest.Ports);
        Assert.InRange(hostile.Torment(100_000, _clock, _guest.Ports), 0, 100_000);
    }
}
