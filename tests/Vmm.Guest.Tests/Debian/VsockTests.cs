using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>Programs of a Debian guest and of the host talk through virtio sockets.</summary>
public sealed class VsockTests : IDisposable
{
    private const int Bytes = 8 << 20, ReceiveTimeoutMs = 240_000;

    // Perl has no names for virtio sockets: family 40; an address is family, port and context id.
    private const string Echo = "while ($n = sysread(S, $b, 65536)) { syswrite(S, $b) == $n || die $! }";
    private const string EchoToHost = $"perl -e 'socket(S, 40, 5, 0) && connect(S, pack(\"SSLLL\", 40, 0, 54, 2, 0)) || die $!; {Echo}'";
    private const string EchoFromHost = $"(perl -e 'socket(L, 40, 5, 0) && bind(L, pack(\"SSLLL\", 40, 0, 1235, -1, 0)) && listen(L, 1) && accept(S, L) || die $!; {Echo}' &) 2>/dev/null; sleep 1";

    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-vsock-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [DebianSystemFact]
    public async Task Sockets_FromBothSides_CarryEveryByteAndEveryMessage()
    {
        string path = Path.Combine(_directory, "v.sock");
        byte[] data = RandomNumberGenerator.GetBytes(Bytes);
        string sum = Convert.ToHexStringLower(SHA256.HashData(data));
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint($"{path}_52"));
        listener.Listen();
        using DebianSystem guest = new("--disk", $"path={Repository.Guest("debian.qcow2")},format=qcow2,snapshot=on", "--vsock", $"cid=3,path={path}");
        guest.LogIn();

        // The guest connects: what it is sent comes back.
        Task<string> echo = Task.Run(() =>
        {
            using Socket peer = listener.Accept();
            return Exchange(peer, data);
        });
        guest.Run("socat VSOCK-CONNECT:2:52 EXEC:cat");
        Assert.Equal(sum, await echo);

        // The host connects.
        guest.Run("(socat VSOCK-LISTEN:1234 EXEC:cat &) 2>/dev/null; sleep 1");
        using (Socket peer = Connect(path, 1234)) Assert.Equal(sum, Exchange(peer, data));

        // The same with messages.
        using Socket messages = new(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        messages.Bind(new UnixDomainSocketEndPoint($"{path}_54"));
        messages.Listen();
        Task exchange = Task.Run(() =>
        {
            using Socket peer = messages.Accept();
            ExchangeMessages(peer);
        });
        guest.Run(EchoToHost);
        await exchange;
        guest.Run(EchoFromHost);
        using (Socket peer = ConnectForMessages(path, 1235)) ExchangeMessages(peer);
        Assert.Contains("reset", guest.Run("socat -u /dev/null VSOCK-CONNECT:2:53 2>&1"), StringComparison.OrdinalIgnoreCase);
        guest.PowerOff();
    }

    private static Socket Connect(string path, int port)
    {
        Socket peer = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = ReceiveTimeoutMs };
        peer.Connect(new UnixDomainSocketEndPoint(path));
        peer.Send(Encoding.ASCII.GetBytes($"CONNECT {port}\n"));
        byte[] one = new byte[1];
        StringBuilder line = new();
        while (peer.Receive(one) == 1 && one[0] != '\n') line.Append((char)one[0]);
        Assert.StartsWith("OK ", line.ToString(), StringComparison.Ordinal);
        return peer;
    }

    private static Socket ConnectForMessages(string path, int port)
    {
        Socket peer = new(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified) { ReceiveTimeout = ReceiveTimeoutMs };
        peer.Connect(new UnixDomainSocketEndPoint($"{path}_seqpacket"));
        peer.Send(Encoding.ASCII.GetBytes($"CONNECT {port}"));
        byte[] answer = new byte[64];
        Assert.StartsWith("OK ", Encoding.ASCII.GetString(answer, 0, peer.Receive(answer)), StringComparison.Ordinal);
        return peer;
    }

    // Several are on their way at once, of every length that there can be, and each comes back as it was.
    private static void ExchangeMessages(Socket peer)
    {
        const int Rounds = 30, AtOnce = 4, MostBytes = 64 << 10;
        peer.ReceiveTimeout = ReceiveTimeoutMs;
        Random random = new(7);
        byte[] buffer = new byte[2 * MostBytes];
        for (int round = 0; round < Rounds; round++)
        {
            byte[][] sent = [.. Enumerable.Range(0, AtOnce).Select(i => RandomNumberGenerator.GetBytes(i == 0 ? 1 : i == 1 && round == 0 ? MostBytes : random.Next(1, MostBytes / AtOnce)))];
            foreach (byte[] message in sent) Assert.Equal(message.Length, peer.Send(message));
            foreach (byte[] message in sent) Assert.True(buffer.AsSpan(0, peer.Receive(buffer)).SequenceEqual(message), $"a message of {message.Length} bytes came back as another");
        }

        peer.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, peer.Receive(buffer));
    }

    // Sends, ends, and receives to the other's end meanwhile.
    private static string Exchange(Socket peer, byte[] data)
    {
        peer.ReceiveTimeout = ReceiveTimeoutMs;
        Thread sender = new(() =>
        {
            for (int sent = 0; sent < data.Length;) sent += peer.Send(data.AsSpan(sent));
            peer.Shutdown(SocketShutdown.Send);
        });
        sender.Start();
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[64 << 10];
        for (int count; (count = peer.Receive(buffer)) != 0;) hash.AppendData(buffer, 0, count);
        sender.Join();
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
