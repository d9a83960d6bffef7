using Vmm.Core.State;
using Vmm.TestKit;

namespace Vmm.Devices.Chipset.Tests;

public class I8254PitTests
{
    private const long Ms = 1_000_000;
    private readonly FakeClock _clock = new();
    private readonly FakeLine _irq = new();
    private readonly GuestDriver _guest = new();
    private readonly I8254Pit _pit;

    public I8254PitTests()
    {
        _pit = new I8254Pit(_irq, _clock);
        _guest.Ports.Attach(0x40, 4, _pit, I8254Pit.TimerRegion);
        _guest.Ports.Attach(0x61, 1, _pit, I8254Pit.PortBRegion);
    }

    [Fact]
    public void Mode2_HundredHertz_HundredInterruptsASecond()
    {
        Program(0, 0x34, 11932);
        _clock.Advance(1000 * Ms);
        Assert.InRange(_irq.RisingEdges, 99, 100);
    }

    [Fact]
    public void Mode2_Count_FallsFromReloadToOne()
    {
        Program(0, 0x34, 1000);
        HashSet<int> seen = [];
        for (int i = 0; i < 5000; i++)
        {
            _clock.Advance(839);
            seen.Add(Latched(0));
        }

        Assert.Equal(1, seen.Min());
        Assert.Equal(1000, seen.Max());
    }

    [Fact]
    public void Mode2_MinimalCount_DoesNotStorm()
    {
        Program(0, 0x34, 2);
        _clock.Advance(100 * Ms);
        Assert.InRange(_irq.RisingEdges, 900, 1001);
    }

    [Fact]
    public void Mode0_Interrupt_OnceAtTerminalCountAndLowUntilThen()
    {
        Program(0, 0x30, 11932);
        _clock.Advance(9 * Ms);
        Assert.False(_irq.IsAsserted);
        _clock.Advance(2 * Ms);
        Assert.True(_irq.IsAsserted);
        _clock.Advance(100 * Ms);
        Assert.Equal(1, _irq.RisingEdges);
        Program(0, 0x30, 100);
        Assert.False(_irq.IsAsserted);
    }

    [Fact]
    public void Mode4_OneShot_OneInterruptForEachLoad()
    {
        Program(0, 0x38, 1193);
        _clock.Advance(10 * Ms);
        Assert.Equal(1, _irq.RisingEdges);
        _guest.Out8(0x40, 0xff);
        _guest.Out8(0x40, 0);
        _clock.Advance(10 * Ms);
        Assert.Equal(2, _irq.RisingEdges);
    }

    [Fact]
    public void Mode3_Output_HighHalfOfThePeriod()
    {
        _guest.Out8(0x61, 1);
        Program(2, 0xb6, 1000);
        int high = 0;
        for (int i = 0; i < 1000; i++)
        {
            _clock.Advance(8381);
            if ((_guest.In8(0x61) & 0x20) != 0) high++;
        }

        Assert.InRange(high, 450, 550);
    }

    [Fact]
    public void Counter2_CalibrationAsLinuxDoes_Out2RisesAfterTheCount()
    {
        _guest.Out8(0x61, (byte)((_guest.In8(0x61) & ~2) | 1));
        Program(2, 0xb0, 11932);
        Assert.Equal(0, _guest.In8(0x61) & 0x20);
        _clock.Advance(9_999_000);
        Assert.Equal(0, _guest.In8(0x61) & 0x20);
        _clock.Advance(3_000);
        Assert.Equal(0x20, _guest.In8(0x61) & 0x20);
    }

    [Fact]
    public void Counter2_GateLow_Pauses()
    {
        _guest.Out8(0x61, 1);
        Program(2, 0xb0, 10000);
        _clock.Advance(Ms);
        _guest.Out8(0x61, 0);
        int held = Latched(2);
        _clock.Advance(10 * Ms);
        Assert.Equal(held, Latched(2));
        _guest.Out8(0x61, 1);
        _clock.Advance(Ms);
        Assert.InRange(held - Latched(2), 1190, 1196);
    }

    [Fact]
    public void Mode1_GateEdge_TriggersTheOneShotAgain()
    {
        Program(2, 0xb2, 1193);
        Assert.Equal(0x20, _guest.In8(0x61) & 0x20);
        for (int i = 0; i < 2; i++)
        {
            _guest.Out8(0x61, 0);
            _guest.Out8(0x61, 1);
            Assert.Equal(0, _guest.In8(0x61) & 0x20);
            _clock.Advance(2 * Ms);
            Assert.Equal(0x20, _guest.In8(0x61) & 0x20);
        }
    }

    [Fact]
    public void LatchedCount_DoesNotMoveUntilRead()
    {
        Program(0, 0x34, 0);
        _clock.Advance(Ms);
        _guest.Out8(0x43, 0x00);
        _clock.Advance(Ms);
        int first = Read(0);
        _clock.Advance(Ms);
        Assert.InRange(first - Latched(0), 2380, 2392);
    }

    [Fact]
    public void ReadBack_StatusThenCount_OfTheNamedCounter()
    {
        Program(0, 0x34, 5000);
        _guest.Out8(0x43, 0xc2);
        Assert.Equal(0xb4, _guest.In8(0x40));
        Assert.Equal(5000, Read(0));
        _guest.Out8(0x43, 0x34);
        _guest.Out8(0x43, 0xe2);
        Assert.Equal(0xf4, _guest.In8(0x40));
    }

    [Fact]
    public void Bcd_Count_IsDecimal()
    {
        Program(0, 0x35, 0x1000);
        _clock.Advance(8381);
        Assert.Equal(0x0990, Latched(0));
    }

    [Fact]
    public void AccessModes_SingleBytes_LoadOneHalf()
    {
        _guest.Out8(0x43, 0x20);
        _guest.Out8(0x40, 0x12);
        Assert.Equal(0x12, _guest.In8(0x40));
        _guest.Out8(0x43, 0x14);
        _guest.Out8(0x40, 0x34);
        Assert.Equal(0x34, _guest.In8(0x40));
    }

    [Fact]
    public void State_UnderLoad_GoesOnElsewhere()
    {
        Program(0, 0x34, 11932);
        _guest.Out8(0x61, 1);
        Program(2, 0xb0, 50000);
        _clock.Advance(25 * Ms);
        FakeClock clock = new();
        clock.Advance(123_456_789);
        FakeLine irq = new();
        I8254Pit other = new(irq, clock);
        other.Restore(_pit.Save());
        Assert.Equal(StateContract.Describe(_pit), StateContract.Describe(other));
        Assert.Equal(0, irq.RisingEdges);
        clock.Advance(6 * Ms);
        Assert.Equal(1, irq.RisingEdges);
        StateContract.Check(_pit, new I8254Pit(new FakeLine(), _clock));
    }

    [Fact]
    public void State_OfAnotherVersion_Refused() => Assert.Throws<StateException>(() => _pit.Restore(_pit.Save() with { Version = 9 }));

    [Fact]
    public void HostileGuest_NeverThrowsNorAllocates()
    {
        HostileGuest hostile = new(8254) { Meanwhile = _ => _pit.Restore(_pit.Save()) };
        hostile.Torment(2000, _clock, _guest.Ports);
        Assert.InRange(hostile.Torment(100_000, _clock, _guest.Ports), 0, 100_000);
    }

    private void Program(int counter, byte control, int count)
    {
        _guest.Out8(0x43, control);
        _guest.Out8((ushort)(0x40 + counter), (byte)count);
        _guest.Out8((ushort)(0x40 + counter), (byte)(count >> 8));
    }

    private int Latched(int counter)
    {
        _guest.Out8(0x43, (byte)(counter << 6));
        return Read(counter);
    }

    private int Read(int counter) => _guest.In8((ushort)(0x40 + counter)) | _guest.In8((ushort)(0x40 + counter)) << 8;
}
