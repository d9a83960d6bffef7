using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Vmm.Guest.Tests.Debian;

namespace Vmm.Guest.Tests.Net;

/// <summary>Two ports of the host: one gives the same random bytes to all who connect, the other takes bytes and answers with their hash.</summary>
internal sealed class ByteServer : IDisposable
{
    private readonly TcpListener _source, _sink;
    private readonly byte[] _data;
    private int _connections;

    /// <summary>Listens, in the network of the calling thread.</summary>
    public ByteServer(int bytes)
    {
        _data = RandomNumberGenerator.GetBytes(bytes);
        Hash = Convert.ToHexStringLower(SHA256.HashData(_data));
        _source = Listen(client =>
        {
            client.Send(_data);
            client.Shutdown(SocketShutdown.Send);
            client.Receive(new byte[1]);
        });
        _sink = Listen(client =>
        {
            using NetworkStream stream = new(client);
            client.Send(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(stream)) + "  -\n"));
        });
    }

    /// <summary>What the bytes hash to (SHA-256).</summary>
    public string Hash { get; }

    /// <summary>Connections that came so far.</summary>
    public int Connections => Volatile.Read(ref _connections);

    public int SourcePort => ((IPEndPoint)_source.LocalEndpoint).Port;

    public int SinkPort => ((IPEndPoint)_sink.LocalEndpoint).Port;

    /// <summary>Has the guest fetch the bytes and give them back; the hashes that it and the host find are to be the same.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="address">What the host is to it.</param>
    /// <param name="prefix">Stands before each of its commands: "taskset 1".</param>
    public void Exchange(DebianMachine guest, string address, string prefix = "")
    {
        string file = $"/tmp/data{Connections}";
        string hashes = guest.Run($"{prefix} nc {address} {SourcePort} </dev/null >{file}; sha256sum <{file}; {prefix} nc {address} {SinkPort} <{file}; rm {file}");
        Assert.Equal($"{Hash}  -\n{Hash}  -", hashes);
    }

    public void Dispose()
    {
        _source.Dispose();
        _sink.Dispose();
    }

    private TcpListener Listen(Action<Socket> serve)
    {
        TcpListener listener = new(IPAddress.Any, 0);
        listener.Start();
        new Thread(() => Accept(listener, serve)) { IsBackground = true }.Start();
        return listener;
    }

    private void Accept(TcpListener listener, Action<Socket> serve)
    {
        try
        {
            while (true)
            {
                Socket client = listener.AcceptSocket();
                Interlocked.Increment(ref _connections);
                new Thread(() => Serve(client, serve)) { IsBackground = true }.Start();
            }
        }
        catch (SocketException)
        {
            // The test is over.
        }
    }

    private static void Serve(Socket client, Action<Socket> serve)
    {
        using (client)
        {
            try
            {
                serve(client);
            }
            catch (Exception e) when (e is SocketException or IOException)
            {
                // The guest has gone: the test will see.
            }
        }
    }
}
