using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Vmm.Host;
using Vmm.Network.User;

namespace Vmm.Network.Tests.User;

/// <summary>Linux's own TCP/IP and the tools of a small system on one side, this host's sockets on the other.</summary>
public sealed class LinuxGuestTests : IDisposable
{
    private const int TransferBytes = 24 << 20;

    private readonly EpollLoop _loop = new("net-test", line => throw new InvalidOperationException(line));
    private readonly HostClock _clock;
    private readonly string _folder = Directory.CreateTempSubdirectory("usernat").FullName;

    public LinuxGuestTests() => _clock = new HostClock(_loop, line => throw new InvalidOperationException(line));

    public void Dispose()
    {
        _clock.Dispose();
        _loop.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [LinuxGuestFact]
    public void Udhcpc_Ping_Nslookup_Work()
    {
        string resolvers = Path.Combine(_folder, "resolv.conf");
        File.WriteAllText(resolvers, "nameserver 127.0.0.77\n");
        using Socket names = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        names.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.77"), 53));
        Background(() => AnswerNames(names));
        using UserNetwork network = New(new UserNetOptions { ResolverFile = resolvers, HostName = "guest", Domain = "example.org" });
        using LinuxGuest guest = new(network, offloads: true);
        string script = Path.Combine(_folder, "udhcpc.sh");
        File.WriteAllText(script, "#!/bin/bash\n[ \"$1\" = bound ] && env && ip addr add $ip/$mask dev $interface && ip route add default via $router\nexit 0\n");
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string lease = guest.Exec($"busybox udhcpc -i eth0 -n -q -f -t 5 -T 2 -O mtu -O domain -s {script}");
        foreach (string part in (string[])["ip=10.0.2.15", "mask=24", "router=10.0.2.2", "dns=10.0.2.3", "hostname=guest", "domain=example.org", "mtu=1500", "lease=86400"])
            Assert.Contains(part, lease, StringComparison.Ordinal);
        Assert.Contains("2 packets received", guest.Exec("busybox ping -c 2 10.0.2.2"), StringComparison.Ordinal);
        Assert.Contains("1 packets received", guest.Exec("busybox ping -c 1 -s 5000 10.0.2.2"), StringComparison.Ordinal);
        Assert.Contains("192.0.2.33", guest.Exec("busybox nslookup -type=a host.example 10.0.2.3"), StringComparison.Ordinal);
    }

    [LinuxGuestTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void Transfers_BothWays_ByteExact(bool offloads)
    {
        using UserNetwork network = New(new UserNetOptions { HasOffloads = offloads });
        using LinuxGuest guest = new(network, offloads);
        guest.Configure();
        Exchange(guest, IPAddress.Loopback, "10.0.2.2");
    }

    [LinuxGuestTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void IPv6Alone_AddressByItself_PingNamesDatagramsAndTransfers(bool offloads)
    {
        if (!Socket.OSSupportsIPv6) return;
        string resolvers = Path.Combine(_folder, "resolv.conf");
        File.WriteAllText(resolvers, "nameserver 127.0.0.78\n");
        using Socket names = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        names.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.78"), 53));
        Background(() => AnswerNames(names));
        using UdpClient echo = new(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        Background(() =>
        {
            IPEndPoint? from = null;
            while (true) echo.Send(echo.Receive(ref from), from);
        });
        using UserNetwork network = New(new UserNetOptions { HasIPv6 = true, HasOffloads = offloads, ResolverFile = resolvers });
        using LinuxGuest guest = new(network, offloads, ipv6: true);
        guest.Exec("for i in $(seq 100); do ip -6 addr show dev eth0 scope global | grep -q fd00:: && exit 0; sleep 0.1; done; ip -6 addr; exit 1");
        Assert.Contains("default via fe80::2", guest.Exec("ip -6 route"), StringComparison.Ordinal);
        Assert.Contains("2 packets received", guest.Exec("busybox ping -6 -c 2 fd00::2"), StringComparison.Ordinal);
        Assert.Contains("1 packets received", guest.Exec("busybox ping -6 -c 1 -s 5000 fd00::2"), StringComparison.Ordinal);
        Assert.Contains("192.0.2.33", guest.Exec("busybox nslookup -type=a host.example fd00::3"), StringComparison.Ordinal);
        int port = ((IPEndPoint)echo.Client.LocalEndPoint!).Port;
        foreach (int bytes in (int[])[10, 4000])
            Assert.Contains($"got {bytes}", guest.Exec($"exec 3<>/dev/udp/fd00::2/{port}; head -c {bytes} /dev/zero >&3; echo got $(timeout 5 dd bs=65536 count=1 <&3 2>/dev/null | wc -c)"), StringComparison.Ordinal);
        Exchange(guest, IPAddress.IPv6Loopback, "fd00::2");
        Assert.Contains("Connection refused", guest.TryExec("exec 3<>/dev/tcp/fd00::3/80").Output, StringComparison.Ordinal);
        Assert.Contains("No route to host", guest.TryExec("exec 3<>/dev/tcp/fd00::77/80").Output, StringComparison.Ordinal);
    }

    [LinuxGuestFact]
    public void Connections_InARowAndAtOnce_AllAnswered()
    {
        using TcpListener echo = Listen();
        Background(() => AcceptAll(echo, client =>
        {
            using NetworkStream stream = new(client, ownsSocket: true);
            stream.CopyTo(stream);
        }));
        using UserNetwork network = New(new UserNetOptions());
        using LinuxGuest guest = new(network, offloads: true);
        guest.Configure();
        string row = guest.Exec($"for i in $(seq 200); do exec 3<>/dev/tcp/10.0.2.2/{Port(echo)}; echo line$i >&3; read -u 3 line; echo $line; exec 3>&-; done");
        Assert.Equal(Enumerable.Range(1, 200).Select(i => $"line{i}"), row.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        string open = $"for i in $(seq 10 110); do eval \"exec $i<>/dev/tcp/10.0.2.2/{Port(echo)}\"; done";
        string all = guest.Exec($"{open}; for i in $(seq 10 110); do echo at$i >&$i; done; for i in $(seq 10 110); do read -u $i line; echo $line; done");
        Assert.Equal(Enumerable.Range(10, 101).Select(i => $"at{i}"), all.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.True(network.Statistics.TcpOpened >= 301);
    }

    [LinuxGuestFact]
    public void ClosedPort_Refused_NoSuchMachine_Unreachable_Restricted_Nothing()
    {
        using TcpListener closed = Listen();
        int port = Port(closed);
        closed.Stop();
        using (UserNetwork network = New(new UserNetOptions()))
        using (LinuxGuest guest = new(network, offloads: true))
        {
            guest.Configure();
            Assert.Contains("Connection refused", guest.TryExec($"exec 3<>/dev/tcp/10.0.2.2/{port}").Output, StringComparison.Ordinal);
            Assert.Contains("Connection refused", guest.TryExec("exec 3<>/dev/tcp/10.0.2.3/80").Output, StringComparison.Ordinal);
            Assert.Contains("No route to host", guest.TryExec("exec 3<>/dev/tcp/10.0.2.77/80").Output, StringComparison.Ordinal);
        }

        using TcpListener listener = Listen();
        using UserNetwork restricted = New(new UserNetOptions { IsRestricted = true });
        using LinuxGuest prisoner = new(restricted, offloads: true);
        prisoner.Configure();
        Assert.NotEqual(0, prisoner.TryExec($"exec 3<>/dev/tcp/10.0.2.2/{Port(listener)}", seconds: 3).Code);
        Assert.False(listener.Pending());
    }

    [LinuxGuestFact]
    public void Forward_ToTheGuest_EchoesAndHalfCloses()
    {
        using TcpListener free = Listen();
        ushort port = (ushort)Port(free);
        free.Stop();
        Assert.True(PortForward.TryParse($"tcp:127.0.0.1:{port}-:22", out PortForward? tcp, out _));
        Assert.True(PortForward.TryParse($"udp:127.0.0.1:{port}-:23", out PortForward? udp, out _));
        using UserNetwork network = New(new UserNetOptions { Forwards = [tcp!, udp!], IsRestricted = true });
        using LinuxGuest guest = new(network, offloads: true);
        guest.Configure();
        const string datagramEcho = "perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(Proto=>\"udp\",LocalPort=>23);while(1){$s->recv($b,2000);$s->send($b)}'";
        Background(() => guest.TryExec($"busybox nc -ll -p 22 -e cat & {datagramEcho} & wait", seconds: 15));
        byte[] data = new byte[1 << 20];
        new Random(6).NextBytes(data);
        byte[] back = Retry(() =>
        {
            using TcpClient client = new("127.0.0.1", port) { ReceiveTimeout = 5000 };
            using NetworkStream stream = client.GetStream();
            Background(() =>
            {
                stream.Write(data);
                client.Client.Shutdown(SocketShutdown.Send);
            });
            using MemoryStream all = new();
            stream.CopyTo(all);
            return all.Length == data.Length ? all.ToArray() : null;
        });
        Assert.Equal(data, back);
        byte[] datagram = Retry(() =>
        {
            using UdpClient client = new() { Client = { ReceiveTimeout = 500 } };
            client.Connect("127.0.0.1", port);
            client.Send("hello"u8);
            IPEndPoint? from = null;
            return client.Receive(ref from);
        });
        Assert.Equal("hello"u8.ToArray(), datagram);
    }

    /// <summary>The guest fetches much from a port of the host, and gives as much to another one.</summary>
    private void Exchange(LinuxGuest guest, IPAddress host, string gateway)
    {
        byte[] data = new byte[TransferBytes];
        new Random(5).NextBytes(data);
        using TcpListener source = Listen(host), sink = Listen(host);
        Background(() =>
        {
            using Socket client = source.AcceptSocket();
            client.Send(data);
            client.Shutdown(SocketShutdown.Send);
            client.Receive(new byte[1]);
        });
        string hash = "";
        Thread reader = Background(() =>
        {
            using NetworkStream client = new(sink.AcceptSocket(), ownsSocket: true);
            hash = Convert.ToHexStringLower(SHA256.HashData(client));
        });
        string down = guest.Exec($"busybox nc {gateway} {Port(source)} </dev/null | sha256sum");
        Assert.StartsWith(Convert.ToHexStringLower(SHA256.HashData(data)), down, StringComparison.Ordinal);
        string up = guest.Exec($"head -c {TransferBytes} /dev/urandom >{_folder}/up && busybox nc -w 20 {gateway} {Port(sink)} <{_folder}/up >/dev/null; sha256sum <{_folder}/up");
        Assert.True(reader.Join(20_000));
        Assert.StartsWith(hash, up, StringComparison.Ordinal);
        Assert.NotEmpty(hash);
    }

    private UserNetwork New(UserNetOptions options) => new(options, _loop, _clock);

    private static TcpListener Listen(IPAddress? address = null)
    {
        TcpListener listener = new(address ?? IPAddress.Loopback, 0);
        listener.Start(256);
        return listener;
    }

    private static int Port(TcpListener listener) => ((IPEndPoint)listener.LocalEndpoint).Port;

    private static T Retry<T>(Func<T?> attempt) where T : class
    {
        for (int i = 0; ; i++)
        {
            try
            {
                if (attempt() is { } result) return result;
            }
            catch (Exception e) when (e is SocketException or IOException or InvalidOperationException) { }

            Assert.True(i < 30, "the guest never answered");
            Thread.Sleep(200);
        }
    }

    private static void AcceptAll(TcpListener listener, Action<Socket> serve)
    {
        while (true)
        {
            Socket client = listener.AcceptSocket();
            Background(() => serve(client));
        }
    }

    /// <summary>Answers every question with one address.</summary>
    private static void AnswerNames(Socket socket)
    {
        byte[] message = new byte[512];
        EndPoint from = new IPEndPoint(IPAddress.Any, 0);
        while (true)
        {
            int count = socket.ReceiveFrom(message, ref from);
            int end = message.AsSpan(12).IndexOf((byte)0) + 12 + 5;
            byte[] answer = [message[0], message[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, .. message[12..Math.Min(end, count)], 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 33];
            socket.SendTo(answer, from);
        }
    }

    /// <summary>Ends by itself when the test disposes what it uses.</summary>
    private static Thread Background(Action work)
    {
        Thread thread = new(() =>
        {
            try
            {
                work();
            }
            catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException or InvalidOperationException) { }
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }
}
