using Vmm.Host;

namespace Vmm.Network.User.Sockets;

/// <summary>Takes what sockets tell, on any thread, and passes it on under the network's lock.</summary>
internal interface IHostEvents
{
    void OnReady(IHostSocketUser user, EpollEvents events);
}
