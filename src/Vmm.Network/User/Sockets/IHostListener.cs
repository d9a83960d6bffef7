using Vmm.Host.Sockets;

namespace Vmm.Network.User.Sockets;

/// <summary>A port that takes connections.</summary>
internal interface IHostListener : IHostSocket
{
    SocketStatus TryAccept(out IHostStream? stream, out InetEndPoint peer);
}
