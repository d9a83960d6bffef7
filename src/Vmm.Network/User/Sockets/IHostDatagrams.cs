using Vmm.Host.Sockets;

namespace Vmm.Network.User.Sockets;

/// <summary>A socket for datagrams.</summary>
internal interface IHostDatagrams : IHostSocket
{
    SocketStatus SendTo(ReadOnlySpan<byte> data, in InetEndPoint to);

    SocketStatus ReceiveFrom(Span<byte> buffer, out int received, out InetEndPoint from);

    bool TryReceiveError(Span<byte> payload, out SocketErrorReport report);

    void SetTimeToLive(byte hops);
}
