using Vmm.Host.Sockets;

namespace Vmm.Host.Tests;

public class InetSocketTests
{
    private const uint Loopback = 0x7f000001;

    [Fact]
    public void Stream_ConnectSendShutdown_ArrivesWhole()
    {
        using InetSocket listener = Open(SocketKind.Stream);
        Assert.Equal(SocketStatus.Ok, listener.Bind(InetEndPoint.V4(Loopback, 0), reuse: true));
        Assert.Equal(SocketStatus.Ok, listener.Listen());
        using InetSocket client = Open(SocketKind.Stream);
        client.TuneStream();
        Assert.Equal(SocketStatus.Pending, client.Connect(listener.LocalEndPoint));
        using InetSocket server = Until(() => (listener.TryAccept(out InetSocket? s, out _), s))!;
        Assert.Equal(SocketStatus.Ok, client.TakeError());
        Assert.Equal(SocketStatus.Ok, client.Send("hello"u8, out int sent));
        Assert.Equal(5, sent);
        Assert.Equal(SocketStatus.Ok, client.ShutdownWrite());
        byte[] buffer = new byte[16];
        int got = Until(() => (server.Receive(buffer, out int n), n));
        Assert.Equal("hello"u8.ToArray(), buffer[..got]);
        Assert.Equal(0, Until(() => (server.Receive(buffer, out int n), n)));
        server.ResetOnClose();
        server.Dispose();
        SocketStatus end = SocketStatus.Pending;
        for (int i = 0; i < 1000 && end == SocketStatus.Pending; i++, Thread.Sleep(1)) end = client.Receive(buffer, out _);
        Assert.Equal(SocketStatus.Reset, end);
    }

    [Fact]
    public void Stream_NobodyListens_Refused()
    {
        using InetSocket free = Open(SocketKind.Stream);
        free.Bind(InetEndPoint.V4(Loopback, 0), reuse: false);
        using InetSocket client = Open(SocketKind.Stream);
        SocketStatus status = client.Connect(free.LocalEndPoint);
        for (int i = 0; i < 1000 && status is SocketStatus.Pending or SocketStatus.Ok; i++, Thread.Sleep(1)) status = client.TakeError();
        Assert.Equal(SocketStatus.Refused, status);
    }

    [Fact]
    public void Bind_AddressTaken_SaysSo()
    {
        using InetSocket first = Open(SocketKind.Datagram);
        first.Bind(InetEndPoint.V4(Loopback, 0), reuse: false);
        using InetSocket second = Open(SocketKind.Datagram);
        Assert.Equal(SocketStatus.AddressInUse, second.Bind(first.LocalEndPoint, reuse: false));
    }

    [Fact]
    public void Datagram_ClosedPort_ComesBackAsPortUnreachable()
    {
        InetEndPoint closed;
        using (InetSocket free = Open(SocketKind.Datagram))
        {
            free.Bind(InetEndPoint.V4(Loopback, 0), reuse: false);
            closed = free.LocalEndPoint;
        }

        using InetSocket client = Open(SocketKind.Datagram);
        client.TuneDatagrams();
        Assert.Equal(SocketStatus.Ok, client.SendTo("abc"u8, closed));
        byte[] payload = new byte[64];
        SocketErrorReport report = default;
        bool found = false;
        for (int i = 0; i < 1000 && !found; i++, Thread.Sleep(1)) found = client.TryReceiveError(payload, out report);
        Assert.True(found);
        Assert.Equal((3, 3), (report.Type, report.Code));
        Assert.Equal(closed, report.Destination);
        Assert.Equal("abc"u8.ToArray(), payload[..report.PayloadBytes]);
    }

    [Fact]
    public void EndPoint_Text_IsWhatPeopleWrite()
    {
        Assert.Equal("127.0.0.1:80", InetEndPoint.V4(Loopback, 80).ToString());
        Assert.Equal("[::1]:53", InetEndPoint.From(System.Net.IPAddress.IPv6Loopback, 53).ToString());
        Assert.True(InetEndPoint.V4(0x7f000035, 0).IsLoopback);
        Assert.False(InetEndPoint.V4(0x0a000203, 0).IsLoopback);
    }

    private static InetSocket Open(SocketKind kind)
    {
        Assert.Equal(SocketStatus.Ok, InetSocket.TryOpen(kind, ipv6: false, out InetSocket? socket));
        return socket!;
    }

    private static T Until<T>(Func<(SocketStatus Status, T Value)> attempt)
    {
        for (int i = 0; i < 2000; i++, Thread.Sleep(1))
        {
            (SocketStatus status, T value) = attempt();
            if (status == SocketStatus.Ok) return value;
            Assert.Equal(SocketStatus.Pending, status);
        }

        throw new TimeoutException();
    }
}
