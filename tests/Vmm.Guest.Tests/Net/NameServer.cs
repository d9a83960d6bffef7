using System.Net;
using System.Net.Sockets;

namespace Vmm.Guest.Tests.Net;

/// <summary>Answers every question of the loopback's port 53 with one address, 192.0.2.33.</summary>
internal sealed class NameServer : IDisposable
{
    private const int DomainPort = 53, HeaderBytes = 12, TypeAndClassBytes = 4;

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private int _questions;

    public NameServer()
    {
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, DomainPort));
        new Thread(Answer) { IsBackground = true }.Start();
    }

    /// <summary>Questions that came.</summary>
    public int Questions => Volatile.Read(ref _questions);

    public void Dispose() => _socket.Dispose();

    private void Answer()
    {
        byte[] message = new byte[512];
        EndPoint from = new IPEndPoint(IPAddress.Any, 0);
        try
        {
            while (true)
            {
                int count = _socket.ReceiveFrom(message, ref from);
                Interlocked.Increment(ref _questions);
                int end = Math.Min(count, message.AsSpan(HeaderBytes).IndexOf((byte)0) + HeaderBytes + 1 + TypeAndClassBytes);
                _socket.SendTo([message[0], message[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, .. message[HeaderBytes..end], 0xc0, HeaderBytes, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 33], from);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }
}
