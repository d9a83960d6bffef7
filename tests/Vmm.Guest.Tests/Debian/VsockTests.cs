using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>Programs of a Debian guest and of the host talk through virtio sockets.</summary>
public sealed class VsockTests : IDisposable
{
    private const int Bytes = 8 << 20, ReceiveTimeoutMs = 240_000;

    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-vsock-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [DebianSystemFact]
    public async Task Streams_FromBothSides_CarryEveryByte()
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
