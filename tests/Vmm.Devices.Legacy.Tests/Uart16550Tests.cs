using Vmm.TestKit;

namespace Vmm.Devices.Legacy.Tests;

public sealed class Uart16550Tests : IDisposable
{
    private const ushort Base = 0x3f8;
    private const ushort Ier = Base + 1, Iir = Base + 2, Fcr = Base + 2, Lcr = Base + 3, Mcr = Base + 4, Lsr = Base + 5, Msr = Base + 6;
    private readonly FakeClock _clock = new();
    private readonly FakeLine _irq = new();
    private readonly FakeChar _line = new();
    private readonly GuestDriver _guest = new();
    private readonly Uart16550 _uart;

    public Uart16550Tests()
    {
        _uart = new Uart16550(_irq, _line, _clock);
        _guest.Ports.Attach(Base, Uart16550.PortCount, _uart);
    }

    public void Dispose() => _line.Dispose();

    [Fact]
    public void Transmit_Bytes_ReachTheBackend()
    {
        foreach (char c in "hello\n") _guest.Out8(Base, (byte)c);
        Assert.Equal("hello\n", _line.Text);
        Assert.Equal(0x60, _guest.In8(Lsr));
    }

    [Fact]
    public void Probe_AsLinuxDoes_Is16550A()
    {
        _guest.Out8(Ier, 0);
        Assert.Equal(0, _guest.In8(Ier) & 0x0f);
        _guest.Out8(Ier, 0x0f);
        Assert.Equal(0x0f, _guest.In8(Ier));
        _guest.Out8(Ier, 0);
        _guest.Out8(Mcr, 0x1a);
        Assert.Equal(0x90, _guest.In8(Msr) & 0xf0);
        _guest.Out8(Mcr, 0x08);
        _guest.Out8(Lcr, 0);
        _guest.Out8(Fcr, 1);
        Assert.Equal(3, _guest.In8(Iir) >> 6);
        _guest.Out8(Fcr, 0x21);
        Assert.Equal(6, _guest.In8(Iir) >> 5);
        _guest.Out8(Fcr, 0);
        Assert.Equal(1, _guest.In8(Iir));
    }

    [Fact]
    public void Break_BetweenCharacters_ShowsInLsrWhenItIsNext()
    {
        _guest.Out8(Fcr, 1);
        Assert.Equal(1, _uart.Receive("a"u8));
        Assert.True(_uart.ReceiveBreak());
        Assert.Equal(1, _uart.Receive("h"u8));

        Assert.Equal(0xe1, _guest.In8(Lsr));
        Assert.Equal((byte)'a', _guest.In8(Base));
        Assert.Equal(0xf1, _guest.In8(Lsr));
        Assert.Equal(0x61, _guest.In8(Lsr));
        Assert.Equal(0, _guest.In8(Base));
        Assert.Equal(0x61, _guest.In8(Lsr));
        Assert.Equal((byte)'h', _guest.In8(Base));
    }

    [Fact]
    public void Break_WithLineStatusInterrupt_RaisesItUntilLsrIsRead()
    {
        _guest.Out8(Mcr, 0x08);
        _guest.Out8(Ier, 0x04);

        Assert.True(_uart.ReceiveBreak());

        Assert.True(_irq.IsAsserted);
        Assert.Equal(0x06, _guest.In8(Iir) & 0x0f);
        Assert.Equal(0x71, _guest.In8(Lsr));
        Assert.False(_irq.IsAsserted);
    }

    [Fact]
    public void Break_FullFifo_IsTurnedAwayAndSavedBreaksComeBack()
    {
        _guest.Out8(Fcr, 1);
        for (int i = 0; i < 15; i++) Assert.Equal(1, _uart.Receive("x"u8));
        Assert.True(_uart.ReceiveBreak());
        Assert.False(_uart.ReceiveBreak());

        _uart.Restore(_uart.Save());

        for (int i = 0; i < 15; i++) Assert.Equal((byte)'x', _guest.In8(Base));
        Assert.Equal(0xf1, _guest.In8(Lsr));
    }

    [Fact]
    public void DivisorLatch_UnderDlab_KeepsItsOwnValues()
    {
        _guest.Out8(Lcr, 0x83);
        _guest.Out16(Base, 0x0102);
        Assert.Equal(0x0102, _guest.In16(Base));
        _guest.Out8(Lcr, 0x03);
        Assert.Equal(0, _guest.In8(Ier));
        Assert.Equal("", _line.Text);
    }

    [Fact]
    public void TransmitterEmpty_EnabledTwice_RaisesEachTime()
    {
        _guest.Out8(Mcr, 0x08);
        for (int i = 1; i <= 2; i++)
        {
            _guest.Out8(Ier, 2);
            Assert.Equal(i, _irq.RisingEdges);
            Assert.Equal(2, _guest.In8(Iir));
            Assert.False(_irq.IsAsserted);
            Assert.Equal(1, _guest.In8(Iir));
            _guest.Out8(Ier, 0);
        }
    }

    [Fact]
    public void TransmitterEmpty_SixteenBytes_OneInterrupt()
    {
        _guest.Out8(Mcr, 0x08);
        _guest.Out8(Fcr, 1);
        _guest.Out8(Ier, 2);
        _guest.In8(Iir);
        int edges = _irq.RisingEdges;
        for (int i = 0; i < 16; i++) _guest.Out8(Base, (byte)'x');
        Assert.Equal(edges + 1, _irq.RisingEdges);
    }

    [Fact]
    public void Interrupt_WithoutOut2_DoesNotReachTheWire()
    {
        _guest.Out8(Ier, 2);
        Assert.False(_irq.IsAsserted);
        _guest.Out8(Mcr, 0x08);
        Assert.True(_irq.IsAsserted);
    }

    [Theory]
    [InlineData(0x01, 1)]
    [InlineData(0x41, 4)]
    [InlineData(0x81, 8)]
    [InlineData(0xc1, 14)]
    public void Receive_TriggerLevel_InterruptsAtThatByte(byte fcr, int level)
    {
        EnableReceive(fcr);
        _line.Type(new string('a', level - 1));
        Assert.False(_irq.IsAsserted);
        _line.Type("a");
        Assert.True(_irq.IsAsserted);
        Assert.Equal(0xc4, _guest.In8(Iir));
        _guest.In8(Base);
        Assert.False(_irq.IsAsserted);
    }

    [Fact]
    public void Receive_BelowTheTrigger_TimesOutAfterFourCharacters()
    {
        EnableReceive(0xc1);
        _guest.Out8(Lcr, 0x83);
        _guest.Out16(Base, 1);
        _guest.Out8(Lcr, 0x03);
        _line.Type("ab");
        _clock.Advance(340_000);
        Assert.False(_irq.IsAsserted);
        _clock.Advance(10_000);
        Assert.Equal(0xcc, _guest.In8(Iir));
        Assert.Equal((byte)'a', _guest.In8(Base));
        Assert.False(_irq.IsAsserted);
        _clock.Advance(350_000);
        Assert.Equal(0xcc, _guest.In8(Iir));
    }

    [Fact]
    public void Receive_MoreThanTheFifo_NothingIsLost()
    {
        EnableReceive(0xc1);
        string text = string.Concat(Enumerable.Range(0, 100).Select(i => (char)('!' + i % 90)));
        _line.Type(text);
        string read = "";
        while ((_guest.In8(Lsr) & 1) != 0) read += (char)_guest.In8(Base);
        Assert.Equal(text, read);
    }

    [Fact]
    public void Loopback_Byte_ComesBackAndNotOut()
    {
        _guest.Out8(Mcr, 0x10);
        _line.Type("z");
        _guest.Out8(Base, 0x5a);
        Assert.Equal(0x61, _guest.In8(Lsr));
        Assert.Equal(0x5a, _guest.In8(Base));
        Assert.Equal("", _line.Text);
        _guest.Out8(Mcr, 0);
        Assert.Equal((byte)'z', _guest.In8(Base));
    }

    [Fact]
    public void Loopback_TooManyBytes_Overrun()
    {
        _guest.Out8(Mcr, 0x10);
        _guest.Out8(Base, 1);
        _guest.Out8(Base, 2);
        Assert.Equal(0x63, _guest.In8(Lsr));
        Assert.Equal(0x61, _guest.In8(Lsr));
    }

    [Fact]
    public void ModemStatus_LoopbackChange_SetsDeltasAndInterrupts()
    {
        _guest.Out8(Mcr, 0x1a);
        _guest.In8(Msr);
        _guest.Out8(Ier, 8);
        _guest.Out8(Mcr, 0x18);
        Assert.Equal(0, _guest.In8(Iir));
        Assert.Equal(0x81, _guest.In8(Msr));
        Assert.Equal(1, _guest.In8(Iir));
    }

    [Fact]
    public void State_UnderLoad_GoesOnElsewhereWithoutAnEdge()
    {
        EnableReceive(0x41);
        _guest.Out8(Base + 7, 0x77);
        _line.Type("abcde");
        FakeLine otherIrq = new();
        using FakeChar otherLine = new();
        Uart16550 other = new(otherIrq, otherLine, _clock);
        StateContract.Check(_uart, other);
        Assert.True(otherIrq.IsAsserted);
        Assert.Equal(0, otherIrq.RisingEdges);
        GuestDriver guest = new();
        guest.Ports.Attach(Base, 8, other);
        Assert.Equal("abcde", string.Concat(Enumerable.Range(0, 5).Select(_ => (char)guest.In8(Base))));
        Assert.False(otherIrq.IsAsserted);
    }

    [Fact]
    public void State_OfAnotherVersion_Refused() =>
        Assert.Throws<Core.State.StateException>(() => _uart.Restore(new Uart16550State { Version = 2, Received = [] }));

    [Fact]
    public void TransmitAndReceive_Warm_AllocateNothing()
    {
        byte[] data = [(byte)'x'];
        long before = 0;
        for (int i = 0; i < 2000; i++)
        {
            if (i == 1000) before = GC.GetAllocatedBytesForCurrentThread();
            _guest.Ports.Write(Base, data, 0);
            _uart.Receive(data);
            _guest.Ports.Read(Base, data, 0);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void HostileGuest_NeverThrowsNorAllocates()
    {
        HostileGuest hostile = new(16550) { Meanwhile = random => _line.Type(new string('k', random.Next(20))) };
        hostile.Torment(1000, _clock, _guest.Ports);
        Assert.InRange(hostile.Torment(100_000, _clock, _guest.Ports), 0, 100_000);
    }

    private void EnableReceive(byte fcr)
    {
        _guest.Out8(Mcr, 0x08);
        _guest.Out8(Fcr, fcr);
        _guest.Out8(Ier, 1);
    }
}
