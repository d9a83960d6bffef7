using System.Buffers.Binary;
using System.Text;
using Vmm.Core.State;
using Vmm.Devices.Virtio.Console;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

/// <summary>A console device with two consoles and a named port.</summary>
public sealed class VirtioConsolePortsTests : IDisposable
{
    private const ulong Multiport = 1 << 1;
    private const ushort DeviceReady = 0, DeviceAdd = 1, PortReady = 3, ConsolePort = 4, Resize = 5, PortOpen = 6, PortName = 7;
    private const int ControlIn = 2, ControlOut = 3;
    private const int MessageBytes = 80;

    private readonly FakeChar[] _hosts = [new(), new(), new()];
    private readonly VirtioBench _bench;
    private VirtioConsole? _console;

    public VirtioConsolePortsTests()
        => _bench = new VirtioBench(workers => _console = new VirtioConsole([new(_hosts[0]), new(_hosts[1]), new(_hosts[2], "org.example.0")], workers));

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Ready_Ports_AreAddedThenDescribed()
    {
        _hosts[1].Resize(new(132, 50));
        VirtioDriver.Ring[] rings = _bench.Start();
        Assert.Equal(8, rings.Length);
        Assert.Equal(3u, _bench.Guest.Load32(_bench.Driver.Device + 4));
        GiveBuffers(rings[ControlIn]);
        Send(rings, 0, DeviceReady, 1);
        Assert.Equal([(0u, DeviceAdd, 1, ""), (1u, DeviceAdd, 1, ""), (2u, DeviceAdd, 1, "")], Messages(rings[ControlIn]));
        Send(rings, 0, PortReady, 1);
        Assert.Equal([(0u, ConsolePort, 1, ""), (0u, PortOpen, 1, "")], Messages(rings[ControlIn]));
        Send(rings, 1, PortReady, 1);
        Assert.Equal([(1u, ConsolePort, 1, ""), (1u, Resize, 1, "\u0084\0\u0032\0"), (1u, PortOpen, 1, "")], Messages(rings[ControlIn]));
        Send(rings, 2, PortReady, 1);
        Assert.Equal([(2u, PortName, 1, "org.example.0"), (2u, PortOpen, 1, "")], Messages(rings[ControlIn]));
    }

    [Fact]
    public void News_WithoutBuffers_WaitAndAreTheLatest()
    {
        VirtioDriver.Ring[] rings = _bench.Start();
        Send(rings, 0, DeviceReady, 1);
        Send(rings, 2, PortReady, 1);
        for (int i = 0; i < 100; i++) _hosts[2].Connect(i % 2 == 0);
        _bench.Workers.Run();
        GiveBuffers(rings[ControlIn]);
        _bench.Workers.Run();
        Assert.Equal([(0u, DeviceAdd, 1, ""), (1u, DeviceAdd, 1, ""), (2u, DeviceAdd, 1, ""), (2u, PortName, 1, "org.example.0"), (2u, PortOpen, 0, "")], Messages(rings[ControlIn]));
    }

    [Fact]
    public void HostEnd_ComesAndGoes_NamedPortIsToldAConsoleIsNot()
    {
        VirtioDriver.Ring[] rings = Ready();
        _hosts[2].Connect(false);
        _hosts[0].Connect(false);
        _bench.Workers.Run();
        Assert.Equal([(2u, PortOpen, 0, "")], Messages(rings[ControlIn]));
        _hosts[2].Connect(true);
        _bench.Workers.Run();
        Assert.Equal([(2u, PortOpen, 1, "")], Messages(rings[ControlIn]));
    }

    [Fact]
    public void Resize_EachConsole_ToldByAMessage()
    {
        VirtioDriver.Ring[] rings = Ready();
        _hosts[1].Resize(new(80, 25));
        _hosts[1].Resize(new(80, 25));
        _bench.Workers.Run();
        Assert.Equal([(1u, Resize, 1, "P\0\u0019\0")], Messages(rings[ControlIn]));
    }

    [Fact]
    public void Output_EachPort_GoesToItsOwnHostEnd()
    {
        VirtioDriver.Ring[] rings = Ready();
        rings[1].Request(["zero"u8.ToArray()], []);
        rings[5].Request(["one"u8.ToArray()], []);
        rings[7].Request(["two"u8.ToArray()], []);
        Assert.Equal(["zero", "one", "two"], _hosts.Select(h => h.Text));
    }

    [Fact]
    public void Input_PortClosedInTheGuest_WaitsUntilItIsOpen()
    {
        VirtioDriver.Ring[] rings = Ready();
        VirtioDriver.Ring receive = rings[6];
        GiveBuffers(receive);
        _hosts[2].Type("hello");
        Assert.Equal((0, 5), (receive.UsedIndex, _hosts[2].Waiting));
        Send(rings, 2, PortOpen, 1);
        Assert.Equal(0, _hosts[2].Waiting);
        Assert.Equal("hello", string.Concat(Enumerable.Range(0, 5).Select(_ => Text(receive))));
        Send(rings, 2, PortOpen, 0);
        _hosts[2].Type("x");
        Assert.Equal(1, _hosts[2].Waiting);
    }

    [Fact]
    public void Driver_WithoutMultiport_HasTheFirstPort()
    {
        VirtioDriver.Ring[] rings = _bench.Start(without: Multiport);
        rings[1].Request(["plain"u8.ToArray()], []);
        GiveBuffers(rings[0]);
        _hosts[0].Type("ab");
        Assert.Equal(("plain", 0, 2), (_hosts[0].Text, _hosts[0].Waiting, rings[0].UsedIndex));
        // Nobody listens at the control queues.
        Assert.Throws<InvalidOperationException>(() => Send(rings, 0, DeviceReady, 1));
        Assert.Equal(0, rings[ControlIn].UsedIndex);
    }

    [Fact]
    public void Control_Nonsense_IsIgnored()
    {
        VirtioDriver.Ring[] rings = Ready();
        Send(rings, 3, PortReady, 1);
        Send(rings, uint.MaxValue, PortOpen, 1);
        Send(rings, 0, 77, 1);
        Send(rings, 0, DeviceReady, 0);
        rings[ControlOut].Request([[1, 2, 3]], []);
        Assert.Empty(Messages(rings[ControlIn]));
        Assert.Empty(_bench.Diagnostics);
    }

    [Fact]
    public void Control_BuffersTooSmall_MessageIsLostAndTheNextArrives()
    {
        VirtioDriver.Ring[] rings = _bench.Start();
        rings[ControlIn].Describe(rings[ControlIn].Descriptors, 0, rings[ControlIn].Buffers, 7, 2, 0);
        rings[ControlIn].Offer(0);
        Send(rings, 0, DeviceReady, 1);
        Assert.Equal(0u, rings[ControlIn].Take()!.Value.Length);
        GiveBuffers(rings[ControlIn]);
        _bench.Workers.Run();
        Assert.Equal([(1u, DeviceAdd, 1, ""), (2u, DeviceAdd, 1, "")], Messages(rings[ControlIn]));
    }

    [Fact]
    public void Reset_AllIsForgotten()
    {
        Ready();
        _bench.Driver.Status = 0;
        _hosts[2].Connect(false);
        VirtioDriver.Ring[] rings = _bench.Start();
        GiveBuffers(rings[ControlIn]);
        _bench.Workers.Run();
        Assert.Empty(Messages(rings[ControlIn]));
        Assert.All(_console!.Save().Ports, port => Assert.False(port.IsReady || port.IsGuestOpen || port.News != 0));
    }

    [Fact]
    public void State_PendingNewsAndOpenPorts_Kept()
    {
        VirtioDriver.Ring[] rings = _bench.Start();
        Send(rings, 0, DeviceReady, 1);
        Send(rings, 2, PortReady, 1);
        Send(rings, 2, PortOpen, 1);
        _hosts[0].Resize(new(100, 40));
        VirtioConsole fresh = new([new(new FakeChar()), new(new FakeChar()), new(new FakeChar(), "x")], new PumpedWorkers());
        StateContract.Check(_console!, fresh);
        Assert.True(fresh.Save().Ports[2].IsGuestOpen);
        Assert.NotEqual(0, fresh.Save().Ports[1].News);
        Assert.Equal((100, 40), (fresh.Save().Ports[0].Columns, fresh.Save().Ports[0].Rows));
        Assert.Throws<StateException>(() => fresh.Restore(new VirtioConsoleState()));
        Assert.Throws<StateException>(() => fresh.Restore(_console!.Save() with { Version = 1 }));
    }

    [Fact]
    public void Ports_Impossible_Throw()
    {
        PumpedWorkers workers = new();
        Assert.Throws<ArgumentException>(() => new VirtioConsole([], workers));
        Assert.Throws<ArgumentException>(() => new VirtioConsole([.. Enumerable.Range(0, 17).Select(_ => new VirtioConsolePort(new FakeChar()))], workers));
        Assert.Throws<ArgumentException>(() => new VirtioConsole([new(new FakeChar(), "")], workers));
        Assert.Throws<ArgumentException>(() => new VirtioConsole([new(new FakeChar(), new string('x', 65))], workers));
    }

    private VirtioDriver.Ring[] Ready()
    {
        VirtioDriver.Ring[] rings = _bench.Start();
        GiveBuffers(rings[ControlIn]);
        Send(rings, 0, DeviceReady, 1);
        for (uint port = 0; port < 3; port++) Send(rings, port, PortReady, 1);
        Messages(rings[ControlIn]);
        return rings;
    }

    private static void GiveBuffers(VirtioDriver.Ring ring)
    {
        for (ushort i = 0; i < 64; i++)
        {
            ring.Describe(ring.Descriptors, i, ring.Buffers + i * (ulong)MessageBytes, MessageBytes, 2, 0);
            ring.Offer(i);
        }
    }

    private static void Send(VirtioDriver.Ring[] rings, uint id, ushort what, ushort value)
    {
        byte[] message = new byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(message, id);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), what);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(6), value);
        rings[ControlOut].Request([message], []);
    }

    private List<(uint Id, ushort What, int Value, string More)> Messages(VirtioDriver.Ring ring)
    {
        List<(uint, ushort, int, string)> messages = [];
        while (Next(ring) is { } bytes)
        {
            messages.Add((BinaryPrimitives.ReadUInt32LittleEndian(bytes), BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(4)),
                BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(6)), Encoding.Latin1.GetString(bytes.AsSpan(8))));
        }

        return messages;
    }

    private string Text(VirtioDriver.Ring ring) => Encoding.Latin1.GetString(Next(ring)!);

    private byte[]? Next(VirtioDriver.Ring ring)
    {
        if (ring.Take() is not { } used) return null;
        byte[] bytes = new byte[used.Length];
        Assert.True(_bench.Memory.TryCopyOut(new(ring.Buffers + used.Head * (ulong)MessageBytes), bytes));
        return bytes;
    }
}
