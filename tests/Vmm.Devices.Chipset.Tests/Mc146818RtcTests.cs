using Vmm.Core.State;
using Vmm.TestKit;

namespace Vmm.Devices.Chipset.Tests;

public class Mc146818RtcTests
{
    private const long Second = 1_000_000_000;
    private readonly FakeClock _clock = new() { Epoch = new DateTimeOffset(2026, 11, 23, 22, 58, 59, TimeSpan.Zero) };
    private readonly FakeLine _irq = new();
    private readonly GuestDriver _guest = new();
    private readonly Mc146818Rtc _rtc;

    public Mc146818RtcTests()
    {
        _rtc = new Mc146818Rtc(_irq, _clock, new CmosMemorySize(3ul << 30, 1ul << 30));
        _guest.Ports.Attach(Mc146818Rtc.Port, Mc146818Rtc.PortCount, _rtc);
    }

    [Fact]
    public void Time_AfterReset_IsBcdWith24Hours()
    {
        Assert.Equal([0x59, 0x58, 0x22, 0x02, 0x23, 0x11, 0x26, 0x20], ReadTime());
        _clock.Advance(Second);
        Assert.Equal([0x00, 0x59, 0x22], ReadTime()[..3]);
    }

    [Fact]
    public void Time_BinaryWith12Hours_HasThePmBit()
    {
        Write(0x0b, 0x04);
        Assert.Equal([59, 58, 0x80 | 10, 2, 23, 11, 26, 20], ReadTime());
    }

    [Theory]
    [InlineData(0, 12)]
    [InlineData(1, 1)]
    [InlineData(12, 0x92)]
    [InlineData(13, 0x81)]
    public void Hours12_RoundTheClock(int hour, int expected)
    {
        _clock.Epoch = new DateTimeOffset(2026, 1, 1, hour, 0, 0, TimeSpan.Zero);
        Write(0x0b, 0x00);
        byte shown = Read(4);
        Assert.Equal(expected == 12 ? 0x12 : expected, shown);
        Write(4, shown);
        Write(0x0b, 0x02);
        Assert.Equal(hour, Read(4) >> 4 == 0 ? Read(4) : (Read(4) >> 4) * 10 + (Read(4) & 15));
    }

    [Fact]
    public void SetTime_AsLinuxDoes_KeepsTheOffset()
    {
        byte b = Read(0x0b);
        Write(0x0b, (byte)(b | 0x80));
        foreach ((byte register, byte value) in new (byte, byte)[] { (9, 0x30), (0x32, 0x20), (8, 0x02), (7, 0x28), (4, 0x23), (2, 0x59), (0, 0x58) })
            Write(register, value);
        _clock.Advance(10 * Second);
        Assert.Equal(0x58, Read(0));
        Write(0x0b, b);
        _clock.Advance(2 * Second);
        Assert.Equal([0x00, 0x00, 0x00, 0x06, 0x01, 0x03, 0x30, 0x20], ReadTime());
        Assert.True(_rtc.Offset > TimeSpan.FromDays(1000));
    }

    [Fact]
    public void SetTime_NoSuchDate_IsBroughtIntoRange()
    {
        Write(8, 0x55);
        Write(7, 0xff);
        Write(0, 0x99);
        byte[] time = ReadTime();
        Assert.Equal(0x12, time[5]);
        Assert.Equal(0x59, time[0]);
    }

    [Fact]
    public void UpdateInProgress_OnlyShortlyBeforeTheSecond()
    {
        _clock.Advance(Second - 300_000);
        Assert.Equal(0, Read(0x0a) & 0x80);
        _clock.Advance(100_000);
        Assert.Equal(0x80, Read(0x0a) & 0x80);
        _clock.Advance(200_000);
        Assert.Equal(0, Read(0x0a) & 0x80);
    }

    [Fact]
    public void PeriodicInterrupt_1024Hz_FiresWhenAcknowledged()
    {
        Write(0x0b, 0x42);
        int taken = 0;
        for (int i = 0; i < 1024; i++)
        {
            _clock.Advance(976_563);
            if (_irq.IsAsserted) taken++;
            Assert.Equal(0xc0, Read(0x0c) & 0xc0);
            Assert.False(_irq.IsAsserted);
        }

        Assert.Equal(1024, taken);
    }

    [Fact]
    public void PeriodicInterrupt_NotAcknowledged_OneEdge()
    {
        Write(0x0b, 0x42);
        _clock.Advance(Second);
        Assert.Equal(1, _irq.RisingEdges);
    }

    [Fact]
    public void UpdateInterrupt_OnceASecond()
    {
        Write(0x0b, 0x12);
        for (int i = 0; i < 3; i++)
        {
            _clock.Advance(Second);
            Assert.Equal(0x90, Read(0x0c) & 0x90);
        }

        Assert.Equal(3, _irq.RisingEdges);
    }

    [Fact]
    public void Alarm_AtItsTime_AndWildcards()
    {
        Write(1, 0x05);
        Write(3, 0x59);
        Write(5, 0xff);
        Write(0x0b, 0x22);
        _clock.Advance(5 * Second);
        Assert.False(_irq.IsAsserted);
        _clock.Advance(Second);
        Assert.Equal(0xa0, Read(0x0c) & 0xa0);
    }

    [Fact]
    public void Flags_WithoutInterrupts_AreFoundOnReading()
    {
        Read(0x0c);
        _clock.Advance(2 * Second);
        Assert.Equal(0x50, Read(0x0c));
        Assert.Equal(0, Read(0x0c));
        Assert.Equal(0, _irq.RisingEdges);
    }

    [Fact]
    public void Memory_SizeRegisters_TellTheRam()
    {
        Assert.Equal(640, Read(0x15) | Read(0x16) << 8);
        Assert.Equal(0xffff, Read(0x17) | Read(0x18) << 8);
        Assert.Equal(0xffff, Read(0x30) | Read(0x31) << 8);
        Assert.Equal((3 * 1024 - 16) * 16, Read(0x34) | Read(0x35) << 8);
        Assert.Equal(1024 * 16, Read(0x5b) | Read(0x5c) << 8 | Read(0x5d) << 16);
    }

    [Fact]
    public void Memory_Bytes_KeepWhatIsWritten()
    {
        Write(0x0f, 0x0a);
        Write(0x7f, 0x42);
        Assert.Equal(0x0a, Read(0x0f));
        Assert.Equal(0x42, Read(0xff));
        Write(0x0d, 0);
        Assert.Equal(0x80, Read(0x0d));
    }

    [Fact]
    public void State_UnderLoad_GoesOnElsewhere()
    {
        Write(0x0b, 0x12);
        Write(0x40, 0x99);
        _rtc.Offset = TimeSpan.FromHours(5);
        _clock.Advance(Second);
        FakeLine irq = new();
        Mc146818Rtc other = new(irq, _clock, default);
        StateContract.Check(_rtc, other);
        Assert.True(irq.IsAsserted);
        Assert.Equal(0, irq.RisingEdges);
        Assert.Equal(_rtc.Offset, other.Offset);
    }

    [Fact]
    public void State_TooShort_Refused() => Assert.Throws<StateException>(() => _rtc.Restore(_rtc.Save() with { Registers = [] }));

    [Fact]
    public void HostileGuest_NeverThrowsNorAllocates()
    {
        HostileGuest hostile = new(146818) { Meanwhile = r => _rtc.Offset = TimeSpan.FromTicks(r.NextInt64(-DateTime.MaxValue.Ticks, DateTime.MaxValue.Ticks)) };
        hostile.Torment(2000, _clock, _guest.Ports);
        Assert.InRange(hostile.Torment(100_000, _clock, _guest.Ports), 0, 100_000);
    }

    private byte[] ReadTime() => [Read(0), Read(2), Read(4), Read(6), Read(7), Read(8), Read(9), Read(0x32)];

    private byte Read(byte register)
    {
        _guest.Out8(0x70, register);
        return _guest.In8(0x71);
    }

    private void Write(byte register, byte value)
    {
        _guest.Out8(0x70, register);
        _guest.Out8(0x71, value);
    }
}
