using Vmm.Core.State;
using Vmm.TestKit;

namespace Vmm.Devices.Legacy.Tests;

public sealed class DebugConsoleTests : IDisposable
{
    private readonly FakeChar _sink = new();
    private readonly GuestDriver _guest = new();
    private readonly DebugConsole _console;

    public DebugConsoleTests()
    {
        _console = new DebugConsole(_sink);
        _guest.Ports.Attach(DebugConsole.BochsPort, 1, _console);
        _guest.Ports.Attach(DebugConsole.FirmwarePort, 1, _console);
        _guest.Ports.Attach(PostCodePort.Port, 1, new PostCodePort());
    }

    public void Dispose() => _sink.Dispose();

    [Fact]
    public void Read_GivesTheSignature() => Assert.Equal(0xe9, _guest.In8(0xe9));

    [Fact]
    public void Write_ByLines()
    {
        foreach (char c in "one\ntw") _guest.Out8(0xe9, (byte)c);
        Assert.Equal("one\n", _sink.Text);
        Assert.Equal(1, _sink.Writes);
        _guest.Out8(0x402, (byte)'o');
        _console.Flush();
        Assert.Equal("one\ntwo", _sink.Text);
    }

    [Fact]
    public void Write_EndlessLine_IsCutIntoPieces()
    {
        for (int i = 0; i < 1000; i++) _guest.Out8(0xe9, (byte)'x');
        Assert.Equal(3, _sink.Writes);
        Assert.Equal(768, _sink.Text.Length);
    }

    [Fact]
    public void State_HalfLine_GoesOnElsewhere()
    {
        _guest.Out8(0xe9, (byte)'x');
        StateContract.Check(_console, new DebugConsole(_sink));
        Assert.Throws<StateException>(() => _console.Restore(new DebugConsoleState { Line = new byte[5000] }));
    }

    [Fact]
    public void PostCode_LastValue_ReadsBack()
    {
        _guest.Out8(0x80, 0x42);
        Assert.Equal(0x42, _guest.In8(0x80));
    }

    [Fact]
    public void HostileGuest_NeverThrowsNorAllocates()
    {
        HostileGuest hostile = new(402);
        Assert.InRange(hostile.Torment(100_000, new FakeClock(), _guest.Ports), 0, 100_000);
    }
}
