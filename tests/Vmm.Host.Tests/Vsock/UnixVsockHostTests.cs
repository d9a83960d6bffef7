using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Host.Vsock;

namespace Vmm.Host.Tests.Vsock;

public sealed class UnixVsockHostTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-vsock").FullName;
    private readonly EpollLoop _loop;
    private readonly UnixVsockHost _host;
    private readonly Guest _guest = new();

    public UnixVsockHostTests()
    {
        _loop = new EpollLoop("test loop", _ => { });
        _host = new UnixVsockHost(_loop, SocketPath);
        _host.Attach(_guest);
    }

    private string SocketPath => Path.Combine(_directory, "v.sock");

    public void Dispose()
    {
        foreach ((_, IVsockStream stream) in _guest.Opened) stream.Dispose();
        _host.Dispose();
        _loop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void Peer_SaysItsPortInPieces_OpenedAndKeepsWhatFollows()
    {
        using Socket peer = Connect(SocketPath);
        foreach (string piece in new[] { "CON", "NECT 12", "34", "\nhello" })
        {
            peer.Send(Encoding.ASCII.GetBytes(piece));
            Thread.Sleep(20);
        }

        (uint port, IVsockStream stream) = TakeOpened();
        Assert.Equal(1234u, port);
        stream.Accepted(77);
        Assert.Equal("OK 77\n", Receive(peer, 6));
        Assert.Equal("hello", ReceiveFrom(stream, 5));
    }

    [Theory]
    [InlineData("HELLO 1\n")]
    [InlineData("CONNECT \n")]
    [InlineData("CONNECT -1\n")]
    [InlineData("CONNECT 4294967296\n")]
    [InlineData("CONNECT 1 2\n")]
    [InlineData("\n")]
    [InlineData("CONNECT 00000000000000000000000000001")]
    public void Peer_SaysSomethingElse_Closed(string line)
    {
        using Socket peer = Connect(SocketPath);
        peer.Send(Encoding.ASCII.GetBytes(line));
        Assert.Equal("", Receive(peer, 1));
        Assert.Empty(_guest.Opened);
    }

    [Fact]
    public void Peer_GuestTakesNobody_Closed()
    {
        _guest.IsFull = true;
        using Socket peer = Connect(SocketPath);
        peer.Send("connect 5\n"u8);
        Assert.Equal("", Receive(peer, 1));
    }

    [Fact]
    public void Peers_HundredsThatSayNothing_DoNotKeepOthersOut()
    {
        List<Socket> silent = [.. Enumerable.Range(0, 300).Select(_ => Connect(SocketPath))];
        using Socket peer = Connect(SocketPath);
        peer.Send("CONNECT 9\n"u8);
        Assert.Equal(9u, TakeOpened().Port);
        Assert.Equal("", Receive(silent[0], 1));
        silent.ForEach(s => s.Dispose());
    }

    [Fact]
    public void TryConnect_NobodyListens_Null()
    {
        Assert.Null(_host.TryConnect(52, VsockKind.Stream));
        File.WriteAllText(SocketPath + "_53", "no socket");
        Assert.Null(_host.TryConnect(53, VsockKind.Stream));
    }

    [Fact]
    public void Stream_PeerIsFullThenReadsThenEnds_EachIsToldAsItIs()
    {
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(SocketPath + "_52"));
        listener.Listen();
        using IVsockStream stream = _host.TryConnect(52, VsockKind.Stream)!;
        using Socket peer = listener.Accept();
        using SemaphoreSlim ready = new(0);
        stream.Attach(() => ready.Release());

        byte[] data = new byte[10000];
        Random.Shared.NextBytes(data);
        int sent = 0;
        VsockStreamStatus status;
        while ((status = stream.Send(data, default, out int part)) == VsockStreamStatus.Ok) sent += part;
        Assert.Equal(VsockStreamStatus.Pending, status);
        byte[] received = new byte[sent];
        for (int at = 0; at < sent;) at += peer.Receive(received.AsSpan(at));
        Assert.Equal(data, received[..data.Length]);
        Assert.True(ready.Wait(Patience));
        Assert.Equal(VsockStreamStatus.Ok, stream.Send(data, default, out _));

        peer.Shutdown(SocketShutdown.Send);
        Assert.True(SpinWait.SpinUntil(() => ReceiveStatus(stream) == VsockStreamStatus.Ended, Patience));
        Assert.False(stream.IsPeerGone);
        stream.CloseSend();
        for (int left = data.Length; left > 0;) left -= peer.Receive(received);
        Assert.Equal(0, peer.Receive(received));
        peer.Dispose();
        Assert.True(SpinWait.SpinUntil(() => stream.IsPeerGone, Patience));
        Assert.Equal(VsockStreamStatus.Ended, stream.Send(data, default, out _));
    }

    [Fact]
    public void Stream_PeerLeavesWithUnreadBytes_Broken()
    {
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(SocketPath + "_52"));
        listener.Listen();
        using IVsockStream stream = _host.TryConnect(52, VsockKind.Stream)!;
        Socket peer = listener.Accept();
        Assert.Equal(VsockStreamStatus.Pending, ReceiveStatus(stream));
        stream.Send("unread"u8, default, out _);
        peer.Dispose();
        Assert.Equal(VsockStreamStatus.Broken, ReceiveStatus(stream));
        Assert.True(stream.IsPeerGone);
    }

    [Theory]
    [InlineData("CONNECT 7\n")]
    [InlineData("connect 7")]
    public void SeqpacketPeer_SaysItsPort_MessagesStayApart(string line)
    {
        using Socket peer = Connect(SocketPath + UnixVsockHost.SeqpacketSuffix, SocketType.Seqpacket);
        peer.Send(Encoding.ASCII.GetBytes(line));
        peer.Send("first"u8);
        peer.Send("second"u8);
        (uint port, IVsockStream stream) = TakeOpened();
        Assert.Equal((7u, VsockKind.Seqpacket), (port, stream.Kind));
        stream.Accepted(88);
        byte[] bytes = new byte[64];
        Assert.Equal("OK 88\n", Encoding.ASCII.GetString(bytes, 0, peer.Receive(bytes)));
        Assert.Equal("first", ReceiveFrom(stream, 64));
        Assert.Equal("second", ReceiveFrom(stream, 64));
        Assert.Equal(VsockStreamStatus.Ok, stream.Send("in two"u8, " places"u8, out _));
        Assert.Equal("in two places", Encoding.ASCII.GetString(bytes, 0, peer.Receive(bytes)));
    }

    [Theory]
    [InlineData("HELLO 1\n")]
    [InlineData("CONNECT 1\nand more")]
    [InlineData("CONNECT 00000000000000000000000000001")]
    public void SeqpacketPeer_SaysSomethingElse_Closed(string message)
    {
        using Socket peer = Connect(SocketPath + UnixVsockHost.SeqpacketSuffix, SocketType.Seqpacket);
        peer.Send(Encoding.ASCII.GetBytes(message));
        Assert.Equal("", Receive(peer, 1));
        Assert.Empty(_guest.Opened);
    }

    [Fact]
    public void Seqpacket_EmptyLongAndLastMessages_EachIsToldAsItIs()
    {
        using Socket listener = new(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(SocketPath + "_52"));
        listener.Listen();
        Assert.Null(_host.TryConnect(52, VsockKind.Stream));
        using IVsockStream stream = _host.TryConnect(52, VsockKind.Seqpacket)!;
        using Socket peer = listener.Accept();
        using SemaphoreSlim ready = new(0);
        stream.Attach(() => ready.Release());
        const int Empty = 40;
        for (int i = 0; i < Empty; i++) peer.Send(Array.Empty<byte>());
        peer.Send("word"u8);
        // So many that say nothing are not passed over at once.
        Assert.Equal(VsockStreamStatus.Pending, ReceiveStatus(stream));
        Assert.Equal("word", ReceiveFrom(stream, 16));
        peer.Send(new byte[17]);
        Assert.Equal(VsockStreamStatus.Broken, ReceiveStatus(stream));
        byte[] data = new byte[10_000];
        while (stream.Send(data, default, out int sent) == VsockStreamStatus.Ok) Assert.Equal(data.Length, sent);
        Assert.Equal(data.Length, peer.Receive(new byte[2 * data.Length]));
        peer.Shutdown(SocketShutdown.Send);
        Assert.True(SpinWait.SpinUntil(() => ReceiveStatus(stream) == VsockStreamStatus.Ended, Patience));
        Assert.False(stream.IsPeerGone);
        peer.Dispose();
        Assert.True(SpinWait.SpinUntil(() => stream.IsPeerGone, Patience));
    }

    private static Socket Connect(string path, SocketType type = SocketType.Stream)
    {
        Socket socket = new(AddressFamily.Unix, type, ProtocolType.Unspecified) { ReceiveTimeout = (int)Patience.TotalMilliseconds };
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static string Receive(Socket peer, int count)
    {
        byte[] bytes = new byte[count];
        int got = 0;
        while (got < count)
        {
            int part;
            try
            {
                part = peer.Receive(bytes.AsSpan(got));
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
            {
                part = 0;
            }

            if (part == 0) break;
            got += part;
        }

        return Encoding.ASCII.GetString(bytes, 0, got);
    }

    private static VsockStreamStatus ReceiveStatus(IVsockStream stream) => TryReceive(stream, new byte[16], out _);

    private static string ReceiveFrom(IVsockStream stream, int count)
    {
        byte[] bytes = new byte[count];
        int received = 0;
        Assert.True(SpinWait.SpinUntil(() => TryReceive(stream, bytes, out received) == VsockStreamStatus.Ok, Patience));
        return Encoding.ASCII.GetString(bytes, 0, received);
    }

    private static VsockStreamStatus TryReceive(IVsockStream stream, byte[] into, out int received)
    {
        Core.Memory.PinnedBuffer buffer = new(into.Length);
        VsockStreamStatus status = stream.Receive([buffer.Vector(0, into.Length)], out received);
        buffer.Span[..received].CopyTo(into);
        return status;
    }

    private (uint Port, IVsockStream Stream) TakeOpened()
    {
        Assert.True(SpinWait.SpinUntil(() => !_guest.Opened.IsEmpty, Patience));
        Assert.True(_guest.Opened.TryDequeue(out (uint Port, IVsockStream Stream) opened));
        return opened;
    }

    private sealed class Guest : IVsockGuest
    {
        public ConcurrentQueue<(uint Port, IVsockStream Stream)> Opened { get; } = new();

        public bool IsFull { get; set; }

        public bool TryOpen(uint port, IVsockStream stream)
        {
            if (IsFull) return false;
            stream.Attach(() => { });
            Opened.Enqueue((port, stream));
            return true;
        }
    }
}
