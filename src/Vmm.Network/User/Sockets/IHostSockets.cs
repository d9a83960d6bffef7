using Vmm.Host.Sockets;

namespace Vmm.Network.User.Sockets;

/// <summary>Where the guest's connections go on: the host's sockets, or a test's.</summary>
internal interface IHostSockets
{
    /// <summary>Begins to connect.</summary>
    SocketStatus Connect(in InetEndPoint remote, out IHostStream? stream);

    /// <summary>Makes a socket for datagrams; <see cref="SocketKind.Echo"/> may be refused.</summary>
    SocketStatus OpenDatagrams(SocketKind kind, bool ipv6, out IHostDatagrams? socket);

    /// <summary>Listens for streams.</summary>
    SocketStatus Listen(in InetEndPoint local, out IHostListener? listener);

    /// <summary>Takes a local port for datagrams.</summary>
    SocketStatus BindDatagrams(in InetEndPoint local, out IHostDatagrams? socket);
}
