using Vmm.Core.Backends;
using Vmm.Devices.Virtio.Vsock;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

/// <summary>Connections that keep messages apart (virtio 1.2 §5.10.6.4).</summary>
public sealed class VsockSeqpacketTests : IDisposable
{
    private const uint HostPort = 52, GuestPort = 1234, NoMoreSend = 2, Both = 3;
    private const int DeviceBufferBytes = 64 << 10;

    private readonly FakeVsockHost _host = new() { Listening = { HostPort } };
    private readonly VirtioBench _bench;
    private VirtioVsock? _vsock;
    private VsockDriver? _driver;

    public VsockSeqpacketTests() => _bench = new VirtioBench(workers => _vsock = new VirtioVsock(VsockDriver.Cid, _host, workers));

    private VsockDriver Driver => _driver ??= new VsockDriver(_bench);

    public void Dispose()
    {
        _vsock!.Dispose();
        _bench.Dispose();
    }

    [Fact]
    public void Messages_BothWays_StayApart()
    {
        FakeVsockStream stream = Connect();
        Send("one"u8, isEnd: true);
        Send("t"u8, isEnd: false);
        Send("wo"u8, isEnd: true);
        Assert.Equal(["one"u8.ToArray(), "two"u8.ToArray()], stream.Messages);
        stream.Say("three"u8);
        stream.Say("four"u8);
        foreach (string expected in (string[])["three", "four"])
        {
            VsockDriver.Packet packet = Driver.Expect(VsockDriver.Rw);
            Assert.Equal((VsockDriver.Seqpacket, VsockDriver.EndOfMessage, expected), (packet.Type, packet.Flags, System.Text.Encoding.ASCII.GetString(packet.Data)));
        }
    }

    [Fact]
    public void LongMessage_OfTheHost_GoesInPiecesWithOneEnd()
    {
        FakeVsockStream stream = Connect();
        byte[] message = new byte[5000];
        Random.Shared.NextBytes(message);
        stream.Say(message);
        List<byte> received = [];
        uint flags = 0;
        while (flags == 0)
        {
            VsockDriver.Packet packet = Driver.Expect(VsockDriver.Rw);
            received.AddRange(packet.Data);
            flags = packet.Flags;
        }

        Assert.Equal(message, received);
        Assert.Null(Driver.Take());
    }

    [Fact]
    public void SlowPeer_MessagesWaitAndStayApartThroughTheWrap()
    {
        FakeVsockStream stream = Connect();
        Random random = new(1);
        List<byte[]> sent = [];
        uint room = DeviceBufferBytes;
        for (int round = 0; round < 40; round++)
        {
            stream.Room = 0;
            while (true)
            {
                byte[] message = new byte[random.Next(1, 8) == 1 ? 1 : random.Next(1, 9000)];
                if (message.Length > room) break;
                random.NextBytes(message);
                int cut = random.Next(message.Length);
                if (cut != 0) Send(message.AsSpan(0, cut), isEnd: false);
                Send(message.AsSpan(cut), isEnd: true);
                sent.Add(message);
                room -= (uint)message.Length;
            }

            stream.Resume(random.Next(20_000));
            stream.Resume();
            while (Driver.Take() is { } packet) Assert.Equal(VsockDriver.CreditUpdate, packet.Operation);
            room = DeviceBufferBytes;
        }

        Assert.Equal(sent, stream.Messages);
    }

    [Fact]
    public void PartOfAMessage_NeedsAllTheRoom_GuestIsToldOfWhatCameBack()
    {
        FakeVsockStream stream = Connect();
        stream.Room = 0;
        Send(new byte[3000], isEnd: true);
        byte[] part = new byte[1000];
        int left = DeviceBufferBytes - 3000;
        for (; left > part.Length; left -= part.Length) Send(part, isEnd: false);
        Assert.Null(Driver.Take());
        stream.Resume();
        Assert.Equal(3000u, Driver.Expect(VsockDriver.CreditUpdate).Forwarded);
    }

    [Fact]
    public void MessageWithoutAnEnd_FillsTheBuffer_LosesTheConnection()
    {
        FakeVsockStream stream = Connect();
        byte[] part = new byte[1024];
        for (int i = 0; i < DeviceBufferBytes / part.Length; i++) Send(part, isEnd: false);
        Driver.Expect(VsockDriver.Rst);
        Assert.True(stream.IsDisposed);
        Assert.Empty(stream.Messages);
    }

    [Fact]
    public void Message_AsLongAsTheBuffer_Arrives()
    {
        FakeVsockStream stream = Connect();
        byte[] part = new byte[1024];
        for (int i = 1; i <= DeviceBufferBytes / part.Length; i++) Send(part, isEnd: i == DeviceBufferBytes / part.Length);
        Assert.Equal(DeviceBufferBytes, Assert.Single(stream.Messages).Length);
    }

    [Fact]
    public void GuestEnds_InTheMiddleOfAMessage_OnlyWholeOnesArrive()
    {
        FakeVsockStream stream = Connect();
        Send("whole"u8, isEnd: true);
        Send("par"u8, isEnd: false);
        Driver.Send(VsockDriver.Shutdown, HostPort, GuestPort, flags: NoMoreSend, type: VsockDriver.Seqpacket);
        Assert.True(stream.IsSendClosed);
        Assert.Equal("whole"u8.ToArray(), Assert.Single(stream.Messages));
        Driver.Send(VsockDriver.Shutdown, HostPort, GuestPort, flags: Both, type: VsockDriver.Seqpacket);
        Driver.Expect(VsockDriver.Rst);
        Assert.Equal(0, _vsock!.Statistics.Connections);
    }

    [Fact]
    public void MessageOfTheHost_LongerThanTheGuestsBuffer_BreaksTheConnection()
    {
        Driver.BufferSize = 100;
        FakeVsockStream stream = Connect();
        stream.Say(new byte[101]);
        Driver.Expect(VsockDriver.Rst);
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public void HostPeer_AsksForMessages_TheGuestIsToldTheType()
    {
        _ = Driver;
        FakeVsockStream stream = _host.Ask(GuestPort, VsockKind.Seqpacket)!;
        VsockDriver.Packet request = Driver.Expect(VsockDriver.Request);
        Assert.Equal(VsockDriver.Seqpacket, request.Type);
        Driver.Send(VsockDriver.Response, request.HostPort, GuestPort, type: VsockDriver.Seqpacket);
        stream.Say("hello"u8);
        Assert.Equal("hello"u8, Driver.Expect(VsockDriver.Rw).Data);
    }

    [Fact]
    public void PacketOfTheOtherType_ForAConnection_AnsweredByAResetAndTheConnectionStays()
    {
        FakeVsockStream stream = Connect();
        foreach (ushort operation in (ushort[])[VsockDriver.Request, VsockDriver.Rw])
        {
            Driver.Send(operation, HostPort, GuestPort, type: VsockDriver.Stream);
            Assert.Equal(VsockDriver.Stream, Driver.Expect(VsockDriver.Rst).Type);
        }

        Assert.False(stream.IsDisposed);
        Assert.Equal(1, _vsock!.Statistics.Connections);
    }

    [Fact]
    public void Driver_ThatKnowsOnlyStreams_GetsNoMessages()
    {
        _driver = new VsockDriver(_bench, without: VsockDriver.SeqpacketFeature);
        Assert.Null(_host.Ask(GuestPort, VsockKind.Seqpacket));
        Driver.Send(VsockDriver.Request, HostPort, GuestPort, type: VsockDriver.Seqpacket);
        Assert.Equal(VsockDriver.Seqpacket, Driver.Expect(VsockDriver.Rst).Type);
    }

    private void Send(ReadOnlySpan<byte> data, bool isEnd)
        => Driver.Send(VsockDriver.Rw, HostPort, GuestPort, data, flags: isEnd ? VsockDriver.EndOfMessage : 0, type: VsockDriver.Seqpacket);

    private FakeVsockStream Connect()
    {
        Driver.Send(VsockDriver.Request, HostPort, GuestPort, type: VsockDriver.Seqpacket);
        Assert.Equal(VsockDriver.Seqpacket, Driver.Expect(VsockDriver.Response).Type);
        return _host.Streams[^1];
    }
}
