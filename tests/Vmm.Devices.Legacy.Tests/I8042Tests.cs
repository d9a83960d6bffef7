using Vmm.Core.State;
using Vmm.TestKit;

namespace Vmm.Devices.Legacy.Tests;

public class I8042Tests
{
    private readonly FakeLine _keyboardIrq = new(), _mouseIrq = new();
    private readonly FakeMachineControl _machine = new();
    private readonly A20Gate _a20 = new();
    private readonly GuestDriver _guest = new();
    private readonly I8042 _controller;

    public I8042Tests()
    {
        _controller = new I8042(_keyboardIrq, _mouseIrq, _machine, _a20);
        _guest.Ports.Attach(0x60, 1, _controller, I8042.DataRegion);
        _guest.Ports.Attach(0x64, 1, _controller, I8042.CommandRegion);
        _guest.Ports.Attach(SystemControlPortA.Port, 1, new SystemControlPortA(_a20, _machine));
    }

    [Fact]
    public void SelfTestAndPortTests_Pass()
    {
        Assert.Equal(0x55, Command(0xaa));
        Assert.Equal(0x00, Command(0xab));
        Assert.Equal(0x00, Command(0xa9));
        Assert.Equal(0, _guest.In8(0x64) & 1);
    }

    [Fact]
    public void CommandByte_ReadsBackWhatWasWritten()
    {
        _guest.Out8(0x64, 0x60);
        _guest.Out8(0x60, 0x65);
        Assert.Equal(0x65, Command(0x20));
    }

    [Fact]
    public void AuxProbe_AsLinuxDoes_FindsAPortWithoutMultiplexer()
    {
        Assert.Equal(0x5a, Command(0xd3, 0x5a, expectAux: true));
        Assert.Equal(0xf0, Command(0xd3, 0xf0, expectAux: true));
        Assert.Equal(0x56, Command(0xd3, 0x56, expectAux: true));
        Assert.Equal(0xa4, Command(0xd3, 0xa4, expectAux: true));
        _guest.Out8(0x64, 0xa7);
        Assert.NotEqual(0, Command(0x20) & 0x20);
        _guest.Out8(0x64, 0xa8);
        Assert.Equal(0, Command(0x20) & 0x20);
    }

    [Fact]
    public void AuxLoop_Interrupt_OnTheMouseWireOnly()
    {
        int before = _keyboardIrq.RisingEdges;
        _guest.Out8(0x64, 0xd3);
        _guest.Out8(0x60, 0xa5);
        Assert.True(_mouseIrq.IsAsserted);
        Assert.Equal(0xa5, _guest.In8(0x60));
        Assert.False(_mouseIrq.IsAsserted);
        Assert.Equal(before, _keyboardIrq.RisingEdges);
    }

    [Theory]
    [InlineData(0xf2, new byte[] { 0xfa, 0xab, 0x83 })]
    [InlineData(0xee, new byte[] { 0xee })]
    [InlineData(0xff, new byte[] { 0xfa, 0xaa })]
    [InlineData(0xf5, new byte[] { 0xfa })]
    [InlineData(0x05, new byte[] { 0xfe })]
    public void Keyboard_Command_Answers(byte command, byte[] answer)
    {
        _guest.Out8(0x60, command);
        Assert.Equal(answer, Drain());
    }

    [Fact]
    public void Keyboard_ScanCodeSet_CanBeAskedAndSet()
    {
        Assert.Equal([0xfa, 0xfa, 0x02], Keyboard(0xf0, 0));
        Assert.Equal([0xfa, 0xfa], Keyboard(0xf0, 1));
        Assert.Equal([0xfa, 0xfa, 0x01], Keyboard(0xf0, 0));
    }

    [Fact]
    public void Keyboard_Answer_EachByteIsAnEdge()
    {
        _guest.Out8(0x60, 0xf2);
        Assert.Equal(1, _keyboardIrq.RisingEdges);
        Drain();
        Assert.Equal(3, _keyboardIrq.RisingEdges);
    }

    [Fact]
    public void KeyEvent_Translated_IsSet1()
    {
        _controller.KeyEvent(0x1e, pressed: true);
        _controller.KeyEvent(0x1e, pressed: false);
        _controller.KeyEvent(0xe048, pressed: true);
        Assert.Equal([0x1e, 0x9e, 0xe0, 0x48], Drain());
    }

    [Fact]
    public void KeyEvent_Raw_IsSet2()
    {
        _guest.Out8(0x64, 0x60);
        _guest.Out8(0x60, 0x01);
        _controller.KeyEvent(0x1e, pressed: true);
        _controller.KeyEvent(0x1e, pressed: false);
        _controller.KeyEvent(0xe048, pressed: false);
        Assert.Equal([0x1c, 0xf0, 0x1c, 0xe0, 0xf0, 0x75], Drain());
    }

    [Fact]
    public void KeyEvent_NobodyReads_IsBounded()
    {
        for (int i = 0; i < 1000; i++) _controller.KeyEvent(0x1e, pressed: true);
        Assert.InRange(Drain().Length, 10, 17);
        _controller.KeyEvent(0xffff, pressed: true);
        Assert.Empty(Drain());
    }

    [Fact]
    public void Mouse_ResetAndIdentify_Answer()
    {
        Assert.Equal([0xfa, 0xaa, 0x00], Mouse(0xff));
        Assert.Equal([0xfa, 0x00], Mouse(0xf2));
        Assert.Equal([0xfa, 0xfa], [.. Mouse(0xf3), .. Mouse(200)]);
        Assert.Equal([0xfa, 0x00, 0x02, 200], Mouse(0xe9));
    }

    [Fact]
    public void ResetPulse_ResetsTheMachine()
    {
        _guest.Out8(0x64, 0xff);
        Assert.Equal(0, _machine.Resets);
        _guest.Out8(0x64, 0xfe);
        Assert.Equal(1, _machine.Resets);
    }

    [Fact]
    public void A20_ThroughControllerAndPort92_IsOneGate()
    {
        _guest.Out8(0x92, 0);
        Assert.Equal(0, Command(0xd0) & 2);
        _guest.Out8(0x64, 0xd1);
        _guest.Out8(0x60, 0x03);
        Assert.Equal(2, _guest.In8(0x92));
        _guest.Out8(0x92, 3);
        Assert.Equal(1, _machine.Resets);
    }

    [Fact]
    public void State_HalfReadAnswer_GoesOnElsewhere()
    {
        _guest.Out8(0x60, 0xf2);
        _guest.In8(0x60);
        _guest.Out8(0x64, 0xd4);
        FakeLine irq = new();
        I8042 other = new(irq, new FakeLine(), _machine, new A20Gate());
        StateContract.Check(_controller, other);
        Assert.True(irq.IsAsserted);
        Assert.Equal(0, irq.RisingEdges);
        Assert.Throws<StateException>(() => other.Restore(other.Save() with { Version = 7 }));
    }

    [Fact]
    public void HostileGuest_NeverThrowsNorAllocates()
    {
        HostileGuest hostile = new(8042)
        {
            Meanwhile = r =>
            {
                _controller.KeyEvent((ushort)r.Next(0x10000), r.Next(2) == 0);
                _controller.Restore(_controller.Save());
            },
        };
        hostile.Torment(1000, new FakeClock(), _guest.Ports);
        Assert.InRange(hostile.Torment(100_000, new FakeClock(), _guest.Ports), 0, 100_000);
    }

    private byte Command(byte command)
    {
        _guest.Out8(0x64, command);
        Assert.Equal(1, _guest.In8(0x64) & 0x21);
        return _guest.In8(0x60);
    }

    private byte Command(byte command, byte parameter, bool expectAux)
    {
        _guest.Out8(0x64, command);
        _guest.Out8(0x60, parameter);
        Assert.Equal(expectAux ? 0x21 : 0x01, _guest.In8(0x64) & 0x21);
        return _guest.In8(0x60);
    }

    private byte[] Keyboard(params byte[] bytes)
    {
        foreach (byte value in bytes) _guest.Out8(0x60, value);
        return Drain();
    }

    private byte[] Mouse(byte value)
    {
        _guest.Out8(0x64, 0xd4);
        _guest.Out8(0x60, value);
        return Drain();
    }

    private byte[] Drain()
    {
        List<byte> read = [];
        while ((_guest.In8(0x64) & 1) != 0) read.Add(_guest.In8(0x60));
        return [.. read];
    }
}
