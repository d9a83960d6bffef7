using System.Text;
using Vmm.Core.State;
using Vmm.Devices.Virtio.Console;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

public sealed class VirtioConsoleTests : IDisposable
{
    private readonly FakeChar _host = new();
    private readonly VirtioBench _bench;
    private VirtioConsole? _console;

    public VirtioConsoleTests() => _bench = new VirtioBench(workers => _console = new VirtioConsole(_host, workers));

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Output_Scattered_ReachesTheHostInOrder()
    {
        VirtioDriver.Ring transmit = _bench.Start()[1];
        string text = string.Concat(Enumerable.Range(0, 300).Select(i => $"line {i}\n"));
        byte[] bytes = Encoding.ASCII.GetBytes(text);
        transmit.Request([bytes[..1], bytes[1..1500], bytes[1500..]], []);
        transmit.Request(["end"u8.ToArray()], [], indirect: true);
        Assert.Equal(text + "end", _host.Text);
        Assert.Equal(new VirtioConsoleStatistics(0, (ulong)text.Length + 3), Assert.Single(_console!.Statistics));
    }

    [Fact]
    public void Input_BeforeBuffers_WaitsThenFillsThem()
    {
        _host.Type("abc");
        VirtioDriver.Ring receive = _bench.Start()[0];
        _host.Type("defgh");
        Assert.Equal(0, receive.UsedIndex);
        (byte[] written, uint length) = receive.Request([], [16]);
        Assert.Equal((1u, (byte)'a'), (length, written[0]));
        for (ushort i = 2; i < 9; i++)
        {
            receive.Describe(receive.Descriptors, i, receive.Buffers + i, 1, 2, 0);
            receive.Offer(i);
        }

        byte[] rest = new byte[7];
        Assert.True(_bench.Memory.TryCopyOut(new(receive.Buffers + 2), rest));
        Assert.Equal("bcdefgh", Encoding.ASCII.GetString(rest));
    }

    [Fact]
    public void Input_LongerThanABuffer_GoesOnInTheNext()
    {
        VirtioDriver.Ring receive = _bench.Start()[0];
        for (ushort i = 0; i < 3; i++)
        {
            receive.Describe(receive.Descriptors, i, receive.Buffers + 4u * i, 4, 2, 0);
            receive.Offer(i);
        }

        _host.PieceBytes = 10;
        _host.Type("0123456789");
        Assert.Equal([4u, 4u, 2u], Enumerable.Range(0, 3).Select(_ => receive.Take()!.Value.Length));
        byte[] bytes = new byte[10];
        Assert.True(_bench.Memory.TryCopyOut(new(receive.Buffers), bytes));
        Assert.Equal("0123456789", Encoding.ASCII.GetString(bytes));
        _host.Type("x");
        Assert.Equal(1, _host.Waiting);
        Assert.Equal(new VirtioConsoleStatistics(10, 0), Assert.Single(_console!.Statistics));
    }

    [Fact]
    public void Input_MoreThanAllBuffersTake_GoesOnWithTheNextOnesWithoutAKick()
    {
        VirtioDriver.Ring receive = _bench.Start()[0];
        _host.PieceBytes = 200;
        for (int i = 0; i < receive.Size; i++) OfferByte(receive, i);
        _host.Type(new string('x', 200));
        Assert.Equal((receive.Size, 200 - receive.Size), (receive.UsedIndex, _host.Waiting));
        for (int i = 0; i < 200 - receive.Size; i++) OfferByte(receive, i);
        _bench.Workers.Run();
        Assert.Equal(0, _host.Waiting);
    }

    private static void OfferByte(VirtioDriver.Ring ring, int slot)
    {
        ring.Describe(ring.Descriptors, slot, ring.Buffers + (ulong)slot, 1, 2, 0);
        ring.Offer((ushort)slot);
    }

    [Fact]
    public void Resize_ConfigAndInterrupt()
    {
        _bench.EnableMsix();
        _bench.Start();
        _bench.Guest.Store(_bench.Driver.Common + 16, 0, 2);
        _console!.Resize(new(132, 50));
        _console.Resize(new(132, 50));
        Assert.Equal(1, _bench.Msi.CountOf(0x40));
        Assert.Equal((132ul, 50ul), (_bench.Guest.Load(_bench.Driver.Device, 2), _bench.Guest.Load(_bench.Driver.Device + 2, 2)));
    }

    [Fact]
    public void EmergencyWrite_WithoutADriver_ReachesTheHost()
    {
        _bench.Guest.Store32(_bench.Driver.Device + 8, '!');
        Assert.Equal("!", _host.Text);
    }

    [Fact]
    public void Reset_Input_StaysWithTheHost()
    {
        _bench.Start();
        _bench.Driver.Status = 0;
        _host.Type("abc");
        Assert.Equal(3, _host.Waiting);
    }

    [Fact]
    public void State_Size_Kept()
    {
        _console!.Resize(new(80, 25));
        VirtioConsole fresh = new(new FakeChar(), new PumpedWorkers());
        StateContract.Check(_console, fresh);
        Assert.Throws<StateException>(() => fresh.Restore(new VirtioConsoleState { Version = 0 }));
    }
}
