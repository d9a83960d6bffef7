using Vmm.Core.Interrupts;
using Vmm.TestKit;

namespace Vmm.Devices.Chipset.Tests;

public sealed class SplitInterruptChipsTests
{
    private readonly MessageLog _log = new();
    private readonly GuestDriver _guest = new();
    private readonly SplitInterruptChips _chips;
    private int _rises;

    public SplitInterruptChipsTests()
    {
        _chips = new SplitInterruptChips(_log, () => _rises++);
        _guest.Mmio.Attach(IoApic.DefaultAddress, IoApic.SizeBytes, _chips.IoApic);
        _guest.Ports.Attach(0x20, 2, _chips.Pic, I8259Pic.MasterRegion);
    }

    [Fact]
    public void LevelLine_MessagesUntilReleased_OneForEachEoi()
    {
        WriteIoApic(0x10 + 18, 0x8000 | 0x49);
        _chips.Line(9).SetLevel(true);
        _chips.EndOfInterrupt(0x49);
        _chips.EndOfInterrupt(0x50);
        _chips.Line(9).SetLevel(false);
        _chips.EndOfInterrupt(0x49);
        Assert.Equal([new MsiMessage(0xfee00000, 0x8049), new MsiMessage(0xfee00000, 0x8049)], _log.Messages);
    }

    [Fact]
    public void ExternalInterrupt_RisesOnceAndIsAcknowledged()
    {
        Assert.False(_chips.HasExternalInterrupt);
        foreach (byte value in new byte[] { 0x30, 4, 1 })
        {
            if (value == 0x30) _guest.Out8(0x20, 0x11);
            _guest.Out8(0x21, value);
        }

        _chips.Line(4).SetLevel(true);
        Assert.True(_chips.HasExternalInterrupt);
        Assert.Equal(1, _rises);
        Assert.True(_chips.TryAcknowledge(out byte vector));
        Assert.Equal(0x34, vector);
        Assert.False(_chips.HasExternalInterrupt);
        Assert.False(_chips.TryAcknowledge(out _));
    }

    [Fact]
    public void Reset_TakesBackTheRoutes()
    {
        WriteIoApic(0x10 + 18, 0x8000 | 0x49);
        List<int> open = [];
        _chips.IoApic.RouteChanged = (pin, message) =>
        {
            if (message is not null) open.Add(pin);
        };
        _chips.Reset();
        Assert.Empty(open);
        _chips.Line(9).SetLevel(true);
        Assert.Empty(_log.Messages);
    }

    private void WriteIoApic(uint register, uint value)
    {
        _guest.Store32(IoApic.DefaultAddress, register);
        _guest.Store32(IoApic.DefaultAddress + 0x10, value);
    }

    private sealed class MessageLog : IMsiSink
    {
        public List<MsiMessage> Messages { get; } = [];

        public void Signal(in MsiMessage message, ushort requesterId) => Messages.Add(message);
    }
}
