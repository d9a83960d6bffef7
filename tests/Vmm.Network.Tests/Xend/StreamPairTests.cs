using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.Xend.Server;

namespace Vmm.Network.Tests.Xend;

public sealed class StreamPairTests : IDisposable
{
    private const int TicksPerSecond = 100;

    private readonly EpollLoop _loop = new("pair-test", _ => { });
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    public StreamPairTests() => _listener.Start();

    public void Dispose()
    {
        _listener.Dispose();
        _loop.Dispose();
    }

    [Fact]
    public void Question_AndLongAnswer_PassWhole()
    {
        (Socket client, Socket server, _) = Make();
        using (client)
        using (server)
        {
            client.Send([1, 2, 3]);
            client.Shutdown(SocketShutdown.Send);
            byte[] question = new byte[10];
            Assert.Equal(3, server.Receive(question));
            Assert.Equal(0, server.Receive(question));
            byte[] answer = new byte[60_000];
            new Random(1).NextBytes(answer);
            server.Send(answer);
            server.Close();
            using MemoryStream got = new();
            byte[] part = new byte[4096];
            while (client.Receive(part) is var count and > 0) got.Write(part, 0, count);
            Assert.Equal(answer, got.ToArray());
        }
    }

    [Fact]
    public void Client_AsksEndsAndBreaks_NobodySpins()
    {
        (Socket client, Socket server, _) = Make();
        using (server)
        {
            client.Send([1, 2, 3]);
            client.Shutdown(SocketShutdown.Send);
            Assert.Equal(3, server.Receive(new byte[10]));
            client.LingerState = new LingerOption(true, 0);
            client.Close();
            Thread.Sleep(50);
            long before = LoopTicks();
            Thread.Sleep(1000);
            Assert.InRange(LoopTicks() - before, 0, TicksPerSecond / 30);
        }
    }

    // The time that the loop's thread has had: utime and stime of proc(5).
    private long LoopTicks()
    {
        long ticks = 0;
        _loop.Invoke(() =>
        {
            string text = File.ReadAllText("/proc/thread-self/stat");
            string[] fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            ticks = long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
        });
        return ticks;
    }

    private (Socket Client, Socket Server, StreamPair Pair) Make()
    {
        InetEndPoint at = InetEndPoint.V4(0x7f000001, (ushort)((IPEndPoint)_listener.LocalEndpoint).Port);
        InetSocket[] ours = new InetSocket[2];
        Socket[] theirs = new Socket[2];
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(SocketStatus.Ok, InetSocket.TryOpen(SocketKind.Stream, ipv6: false, out InetSocket? socket));
            ours[i] = socket!;
            ours[i].Connect(at);
            theirs[i] = _listener.AcceptSocket();
            theirs[i].ReceiveTimeout = 20_000;
        }

        StreamPair? pair = null;
        _loop.Invoke(() => pair = new StreamPair(_loop, ours[0], ours[1], () => { }));
        return (theirs[0], theirs[1], pair!);
    }
}
