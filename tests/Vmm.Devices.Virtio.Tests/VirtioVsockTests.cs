using Vmm.Devices.Virtio.Vsock;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

public sealed class VirtioVsockTests : IDisposable
{
    private const uint HostPort = 52, GuestPort = 1234, Both = 3, NoMoreReceive = 1, NoMoreSend = 2;
    private const int DeviceBufferBytes = 64 << 10;

    private readonly FakeVsockHost _host = new();
    private readonly VirtioBench _bench;
    private VirtioVsock? _vsock;
    private VsockDriver? _driver;

    public VirtioVsockTests()
    {
        _host.Listening.Add(HostPort);
        _bench = new VirtioBench(workers => _vsock = new VirtioVsock(VsockDriver.Cid, _host, workers));
    }

    private VsockDriver Driver => _driver ??= new VsockDriver(_bench);

    public void Dispose()
    {
        _vsock!.Dispose();
        _bench.Dispose();
    }

    [Fact]
    public void Config_Read_IsTheContextId()
    {
        Assert.Equal(VsockDriver.Cid, _bench.Guest.Load(_bench.Driver.Device, 8));
        _bench.Guest.Store32(_bench.Driver.Device, 99);
        Assert.Equal(VsockDriver.Cid, _bench.Guest.Load(_bench.Driver.Device, 8));
    }

    [Fact]
    public void Request_SomebodyListens_DataGoesBothWaysAndEndsCleanly()
    {
        FakeVsockStream stream = Connect();
        Driver.Send(VsockDriver.Rw, HostPort, GuestPort, "hello"u8);
        stream.Say("world"u8);
        Assert.Equal("world"u8, Driver.Expect(VsockDriver.Rw).Data);
        Assert.Equal("hello"u8, stream.FromGuest.ToArray());
        Driver.Send(VsockDriver.Shutdown, HostPort, GuestPort, flags: NoMoreSend);
        Assert.True(stream.IsSendClosed);
        stream.Say("last"u8);
        Assert.Equal("last"u8, Driver.Expect(VsockDriver.Rw).Data);
        Driver.Send(VsockDriver.Shutdown, HostPort, GuestPort, flags: NoMoreReceive);
        Driver.Expect(VsockDriver.Rst);
        Assert.True(stream.IsDisposed);
        Assert.Equal(0, _vsock!.Statistics.Connections);
        Assert.Equal((5ul, 9ul), (_vsock.Statistics.BytesFromGuest, _vsock.Statistics.BytesToGuest));
    }

    [Theory]
    [InlineData(HostPort + 1, VsockDriver.Request, (ushort)1)]
    [InlineData(HostPort, VsockDriver.Rw, (ushort)1)]
    [InlineData(HostPort, VsockDriver.CreditUpdate, (ushort)1)]
    [InlineData(HostPort, VsockDriver.Request, (ushort)3)]
    [InlineData(HostPort, (ushort)77, (ushort)9)]
    public void Packet_ForNobody_AnsweredByAReset(uint port, ushort operation, ushort type)
    {
        Driver.Send(operation, port, GuestPort, type: type);
        VsockDriver.Packet reset = Driver.Expect(VsockDriver.Rst);
        Assert.Equal((port, GuestPort), (reset.HostPort, reset.GuestPort));
        Assert.Empty(_host.Streams);
    }

    [Theory]
    [InlineData(3ul, (ulong)VsockDriver.Cid)]
    [InlineData(2ul, 8ul)]
    public void Packet_OfOrForAnotherGuest_Dropped(ulong to, ulong from)
    {
        Driver.Send(VsockDriver.Request, HostPort, GuestPort, to: to, from: from);
        Assert.Null(Driver.Take());
        Assert.Equal(1ul, _vsock!.Statistics.Dropped);
    }

    [Fact]
    public void Reset_ForNobody_NotAnswered()
    {
        Driver.Send(VsockDriver.Rst, HostPort, GuestPort);
        Assert.Null(Driver.Take());
    }

    [Fact]
    public void HostPeer_GuestAccepts_ToldItsPortAndConnected()
    {
        _ = Driver;
        FakeVsockStream stream = _host.Ask(GuestPort)!;
        stream.Say("early"u8);
        VsockDriver.Packet request = Driver.Expect(VsockDriver.Request);
        Assert.Null(Driver.Take());
        Driver.Send(VsockDriver.Response, request.HostPort, GuestPort);
        Assert.Equal(request.HostPort, stream.AcceptedPort);
        Assert.Equal("early"u8, Driver.Expect(VsockDriver.Rw).Data);
    }

    [Fact]
    public void HostPeer_GuestRefuses_Closed()
    {
        _ = Driver;
        FakeVsockStream stream = _host.Ask(GuestPort)!;
        Driver.Send(VsockDriver.Rst, Driver.Expect(VsockDriver.Request).HostPort, GuestPort);
        Assert.True(stream.IsDisposed);
        Assert.Null(stream.AcceptedPort);
        Assert.Equal((0, 1ul), (_vsock!.Statistics.Connections, _vsock.Statistics.Refused));
    }

    [Fact]
    public void HostPeer_GoneBeforeTheGuestAnswers_TheGuestIsTold()
    {
        _ = Driver;
        FakeVsockStream stream = _host.Ask(GuestPort)!;
        Driver.Expect(VsockDriver.Request);
        stream.End(isGone: true);
        Driver.Expect(VsockDriver.Rst);
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public void HostPeer_NoDriver_NotTaken()
    {
        Assert.Null(_host.Ask(GuestPort));
        _ = Driver;
        Assert.NotNull(_host.Ask(GuestPort));
        _bench.Driver.Status = 0;
        Assert.Null(_host.Ask(GuestPort));
    }

    [Fact]
    public void HostPeer_HalfCloses_TheGuestGoesOnSending()
    {
        FakeVsockStream stream = Connect();
        stream.Say("all"u8);
        stream.End(isGone: false);
        Assert.Equal("all"u8, Driver.Expect(VsockDriver.Rw).Data);
        Assert.Equal(NoMoreSend, Driver.Expect(VsockDriver.Shutdown).Flags);
        Driver.Send(VsockDriver.Rw, HostPort, GuestPort, "more"u8);
        Assert.Equal("more"u8, stream.FromGuest.ToArray());
        stream.End(isGone: true);
        Assert.Equal(Both, Driver.Expect(VsockDriver.Shutdown).Flags);
        Driver.Send(VsockDriver.Rst, HostPort, GuestPort);
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public void HostPeer_BreaksTheConnection_TheGuestGetsAReset()
    {
        FakeVsockStream stream = Connect();
        stream.IsBroken = true;
        stream.Say("x"u8);
        Driver.Expect(VsockDriver.Rst);
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public void HostPeer_Reads_Nothing_TheGuestIsHeldByItsCreditAndLosesNothing()
    {
        FakeVsockStream stream = Connect();
        stream.Room = 1000;
        byte[] data = new byte[1024];
        List<byte> sent = [];
        for (int i = 0; i < DeviceBufferBytes / data.Length; i++)
        {
            Random.Shared.NextBytes(data);
            Driver.Send(VsockDriver.Rw, HostPort, GuestPort, data);
            sent.AddRange(data);
        }

        Assert.Equal(1000, stream.FromGuest.Count);
        stream.Resume();
        VsockDriver.Packet update = Driver.Expect(VsockDriver.CreditUpdate);
        Assert.Equal((uint)DeviceBufferBytes, update.Forwarded);
        Assert.Equal(sent, stream.FromGuest);
    }

    [Fact]
    public void Guest_SendsMoreThanItsCredit_LosesTheConnection()
    {
        FakeVsockStream stream = Connect();
        stream.Room = 0;
        byte[] data = new byte[1024];
        for (int i = 0; i <= DeviceBufferBytes / data.Length; i++) Driver.Send(VsockDriver.Rw, HostPort, GuestPort, data);
        Driver.Expect(VsockDriver.Rst);
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public void Guest_HasNoRoom_TheHostWaitsAndAsks()
    {
        Driver.BufferSize = 100;
        FakeVsockStream stream = Connect();
        stream.Say(new byte[250]);
        Assert.Equal(100, Driver.Expect(VsockDriver.Rw).Data.Length);
        Driver.Expect(VsockDriver.CreditRequest);
        Assert.Null(Driver.Take());
        Assert.Equal(150, stream.Waiting);
        Driver.Forwarded = 60;
        Driver.Send(VsockDriver.CreditUpdate, HostPort, GuestPort);
        Assert.Equal(60, Driver.Expect(VsockDriver.Rw).Data.Length);
        Driver.Forwarded = 160;
        Driver.Send(VsockDriver.CreditUpdate, HostPort, GuestPort);
        Driver.Expect(VsockDriver.CreditRequest);
        Assert.Equal(90, Driver.Expect(VsockDriver.Rw).Data.Length);
    }

    [Fact]
    public void Guest_AsksForCredit_IsTold()
    {
        Connect();
        Driver.Send(VsockDriver.Rw, HostPort, GuestPort, new byte[10]);
        Driver.Send(VsockDriver.CreditRequest, HostPort, GuestPort);
        Assert.Equal(10u, Driver.Expect(VsockDriver.CreditUpdate).Forwarded);
    }

    [Fact]
    public void Guest_ClosesWhileThePeerIsSlow_ThePeerStillGetsEverything()
    {
        FakeVsockStream stream = Connect();
        stream.Room = 0;
        Driver.Send(VsockDriver.Rw, HostPort, GuestPort, "precious"u8);
        Driver.Send(VsockDriver.Shutdown, HostPort, GuestPort, flags: Both);
        Assert.Null(Driver.Take());
        Driver.Send(VsockDriver.Rst, HostPort, GuestPort);
        Assert.False(stream.IsDisposed);
        stream.Resume();
        _bench.Workers.Run();
        Assert.Equal("precious"u8, stream.FromGuest.ToArray());
        Assert.True(stream.IsDisposed);
        Assert.Equal(0, _vsock!.Statistics.Connections);
    }

    [Fact]
    public void Guest_AsksForAConnectionThatItHas_LosesIt()
    {
        FakeVsockStream stream = Connect();
        Driver.Send(VsockDriver.Request, HostPort, GuestPort);
        Driver.Expect(VsockDriver.Rst);
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public void Connections_ManyAtOnce_BoundedAndShareTheQueue()
    {
        _ = Driver;
        for (uint i = 0; i < VirtioVsock.MostConnections + 10; i++)
        {
            Driver.Send(VsockDriver.Request, HostPort, i);
            Assert.Equal(i < VirtioVsock.MostConnections ? VsockDriver.Response : VsockDriver.Rst, Driver.Take()!.Operation);
        }

        Assert.Equal(VirtioVsock.MostConnections, _vsock!.Statistics.Connections);
        Assert.Null(_host.Ask(GuestPort));
        foreach (FakeVsockStream stream in _host.Streams) stream.Say(new byte[3000]);
        HashSet<uint> first = [];
        for (int i = 0; i < VirtioVsock.MostConnections; i++) first.Add(Driver.Expect(VsockDriver.Rw).GuestPort);
        Assert.Equal(VirtioVsock.MostConnections, first.Count);
    }

    [Fact]
    public void Resets_GuestTakesNone_ItsPacketsWait()
    {
        VsockDriver driver = new(_bench, buffers: 0);
        VirtioDriver.Ring transmit = driver.Rings[1];
        for (uint i = 0; i < 256; i++) driver.Send(VsockDriver.Rw, HostPort, i);
        Assert.Throws<InvalidOperationException>(() => driver.Send(VsockDriver.Rw, HostPort, 256));
        int taken = 0;
        for (ushort i = 0; i < 32; i++) driver.OfferBuffer(i);
        while (driver.Take() is not null) taken++;
        Assert.Equal(257, taken);
        Assert.Equal(257, transmit.UsedIndex);
    }

    [Fact]
    public void Restore_WithConnections_TheGuestIsToldOfTheEndOfAll()
    {
        FakeVsockStream stream = Connect();
        VirtioDriver.Ring events = Driver.Rings[2];
        StateContract.Check(_vsock!, _vsock!);
        events.Describe(events.Descriptors, 0, events.Buffers, 4, 2, 0);
        Assert.True(_bench.Memory.TryWrite(new(events.Buffers), 0xffff_ffffu));
        events.Offer(0);
        _bench.Workers.Run();
        Assert.Equal((0u, 4u), events.Take());
        Assert.True(_bench.Memory.TryRead(new(events.Buffers), out uint id));
        Assert.Equal(0u, id);
        Assert.True(stream.IsDisposed);
        Driver.Send(VsockDriver.Rw, HostPort, GuestPort, "x"u8);
        Driver.Expect(VsockDriver.Rst);
        Connect();
    }

    [Fact]
    public void DeviceReset_WithConnections_TheirStreamsAreClosed()
    {
        FakeVsockStream stream = Connect();
        _bench.Driver.Status = 0;
        _bench.Workers.Run();
        Assert.True(stream.IsDisposed);
        Assert.Equal(0, _vsock!.Statistics.Connections);
    }

    [Theory]
    [InlineData(20, 0)]
    [InlineData(44, 1)]
    public void Packet_ShorterThanItSays_LatchesTheQueue(int bytes, int says)
    {
        byte[] packet = new byte[bytes];
        if (bytes > 24) packet[24] = (byte)says;
        VirtioDriver.Ring transmit = Driver.Rings[1];
        Assert.Throws<InvalidOperationException>(() => transmit.Request([packet], []));
        Assert.Single(_bench.Diagnostics);
        Assert.NotEqual(0, _bench.Driver.Status & VirtioDriver.NeedsReset);
    }

    private FakeVsockStream Connect()
    {
        Driver.Send(VsockDriver.Request, HostPort, GuestPort);
        VsockDriver.Packet response = Driver.Expect(VsockDriver.Response);
        Assert.Equal((HostPort, GuestPort), (response.HostPort, response.GuestPort));
        return _host.Streams[^1];
    }
}
