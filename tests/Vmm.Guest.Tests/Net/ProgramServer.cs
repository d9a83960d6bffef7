using System.Net;
using System.Net.Sockets;

namespace Vmm.Guest.Tests.Net;

/// <summary>Gives a file to a guest that connects: a program that its initial RAM disk has not got.</summary>
internal sealed class ProgramServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    public ProgramServer(string path)
    {
        _listener.Start();
        new Thread(() => Serve(path)) { IsBackground = true }.Start();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public void Dispose() => _listener.Dispose();

    private void Serve(string path)
    {
        try
        {
            using Socket client = _listener.AcceptSocket();
            client.SendFile(path);
            client.Shutdown(SocketShutdown.Send);
            client.Receive(new byte[1]);
        }
        catch (SocketException)
        {
            // The test is over.
        }
    }
}
