using Vmm.Host;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.Tests.User;

/// <summary>What all sockets of a <see cref="FakeHost"/> have.</summary>
internal abstract class FakeSocket(FakeHost host) : IHostSocket
{
    private IHostSocketUser? _user;

    protected FakeHost Host => host;

    public bool IsClosed { get; protected set; }

    public bool Watch(IHostSocketUser user)
    {
        _user = user;
        return true;
    }

    public void Dispose() => IsClosed = true;

    /// <summary>Tells of a change.</summary>
    public void Tell(EpollEvents events)
    {
        if (_user is not null && !IsClosed) Host.Events.OnReady(_user, events);
    }
}
