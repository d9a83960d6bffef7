using Vmm.Host.Sockets;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.Tests.User;

/// <summary>A host whose sockets do what the test says.</summary>
internal sealed class FakeHost : IHostSockets
{
    public IHostEvents Events { get; set; } = null!;

    public List<FakeStream> Streams { get; } = [];

    public List<FakeDatagrams> Datagrams { get; } = [];

    public Dictionary<InetEndPoint, FakeListener> Listeners { get; } = [];

    /// <summary>What connecting answers.</summary>
    public SocketStatus ConnectAnswer { get; set; } = SocketStatus.Pending;

    /// <summary>What making a socket for echo requests answers.</summary>
    public SocketStatus EchoAnswer { get; set; } = SocketStatus.Ok;

    public SocketStatus Connect(in InetEndPoint remote, out IHostStream? stream)
    {
        stream = null;
        if (ConnectAnswer is not (SocketStatus.Ok or SocketStatus.Pending)) return ConnectAnswer;
        FakeStream made = new(this, remote);
        Streams.Add(made);
        stream = made;
        return ConnectAnswer;
    }

    public SocketStatus OpenDatagrams(SocketKind kind, bool ipv6, out IHostDatagrams? socket)
    {
        socket = null;
        if (kind != SocketKind.Datagram && EchoAnswer != SocketStatus.Ok) return EchoAnswer;
        FakeDatagrams made = new(this, kind);
        Datagrams.Add(made);
        socket = made;
        return SocketStatus.Ok;
    }

    public SocketStatus Listen(in InetEndPoint local, out IHostListener? listener)
    {
        FakeListener made = new(this);
        bool isFree = Listeners.TryAdd(local, made);
        listener = isFree ? made : null;
        return isFree ? SocketStatus.Ok : SocketStatus.AddressInUse;
    }

    public SocketStatus BindDatagrams(in InetEndPoint local, out IHostDatagrams? socket) => OpenDatagrams(SocketKind.Datagram, false, out socket);
}
