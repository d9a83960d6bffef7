using Vmm.Host;

namespace Vmm.Network.User.Sockets;

/// <summary>Who uses a socket. Called under the network's lock.</summary>
internal interface IHostSocketUser
{
    void OnReady(EpollEvents events);
}
