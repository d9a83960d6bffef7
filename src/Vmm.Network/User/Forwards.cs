using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.User.Packets;
using Vmm.Network.User.Sockets;
using Vmm.Network.User.Tcp;

namespace Vmm.Network.User;

/// <summary>The ports of the host that lead to the guest.</summary>
internal sealed class Forwards : IDisposable
{
    private readonly List<TcpForward> _tcp = [];
    private readonly List<UdpForward> _udp = [];

    /// <exception cref="LinuxException">A port cannot be had.</exception>
    public Forwards(GuestLink link, IHostSockets sockets, Routes routes, TcpFlows flows, byte[] scratch)
    {
        try
        {
            foreach (PortForward forward in link.Options.Forwards) Open(forward, link, sockets, routes, flows, scratch);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Sends the guest's answer to one who wrote to a forwarded port.</summary>
    /// <returns>False when the datagram is no such answer.</returns>
    public bool TryAnswer(in IpHeader ip, in UdpHeader udp, ReadOnlySpan<byte> payload)
    {
        foreach (UdpForward forward in _udp)
            if (forward.TryAnswer((ip.Source, udp.SourcePort), (ip.Destination, udp.DestinationPort), payload)) return true;
        return false;
    }

    public void Dispose()
    {
        foreach (TcpForward forward in _tcp) forward.Dispose();
        foreach (UdpForward forward in _udp) forward.Dispose();
    }

    private void Open(PortForward forward, GuestLink link, IHostSockets sockets, Routes routes, TcpFlows flows, byte[] scratch)
    {
        InetEndPoint local = forward.HostEndPoint;
        IpAddress guest = forward.GuestAddress ?? link.Options.DhcpAddress;
        SocketStatus status;
        bool isWatched = true;
        if (forward.IsUdp)
        {
            status = sockets.BindDatagrams(local, out IHostDatagrams? socket);
            if (socket is not null)
            {
                _udp.Add(new(link, routes, socket, guest, forward.GuestPort, scratch));
                isWatched = socket.Watch(_udp[^1]);
            }
        }
        else
        {
            status = sockets.Listen(local, out IHostListener? listener);
            if (listener is not null)
            {
                _tcp.Add(new(flows, listener, guest, forward.GuestPort));
                isWatched = listener.Watch(_tcp[^1]);
            }
        }

        if (status != SocketStatus.Ok || !isWatched) throw new LinuxException($"forwarding {forward}: {Why(status)}");
    }

    private static string Why(SocketStatus status) => status switch
    {
        SocketStatus.AddressInUse => "the host's port is in use",
        SocketStatus.Denied => "ports below 1024 need a privilege that this process does not have",
        _ => "the host does not have that address, or has no room for another socket",
    };

    /// <summary>A listening port.</summary>
    private sealed class TcpForward(TcpFlows flows, IHostListener listener, IpAddress guest, ushort port) : IHostSocketUser, IDisposable
    {
        public void OnReady(EpollEvents events)
        {
            // Told once for each change: all that wait are taken, and those beyond the limit are sent away.
            while (listener.TryAccept(out IHostStream? stream, out InetEndPoint peer) == SocketStatus.Ok) flows.Accept(stream!, peer, guest, port);
        }

        public void Dispose() => listener.Dispose();
    }

    /// <summary>A port for datagrams.</summary>
    private sealed class UdpForward(GuestLink link, Routes routes, IHostDatagrams socket, IpAddress guest, ushort port, byte[] scratch)
        : IHostSocketUser, IFrameSource, IDisposable
    {
        private const int MostPeers = 64;

        private readonly (IpAddress Seen, InetEndPoint Peer, long Used)[] _peers = new (IpAddress, InetEndPoint, long)[MostPeers];
        private int _count;
        private long _uses;
        private bool _mayRead;

        public bool IsInLine { get; set; }

        public int Queue => 0;

        public bool HasMore => _mayRead;

        public void OnReady(EpollEvents events)
        {
            if ((events & EpollEvents.Error) != 0) DropErrors();
            _mayRead |= (events & EpollEvents.Readable) != 0;
            if (_mayRead) link.Line(this);
        }

        public int Produce(ReadOnlySpan<IoVec> into, int room)
        {
            SocketStatus status = socket.ReceiveFrom(scratch.AsSpan(UdpHeader.Bytes), out int received, out InetEndPoint from);
            if (status == SocketStatus.Pending) _mayRead = false;
            if (status == SocketStatus.Ok)
            {
                IpAddress seen = routes.Seen(from, guest);
                Remember(seen, from);
                link.PutUdp((seen, from.Port), (guest, port), scratch.AsSpan(0, UdpHeader.Bytes + received));
            }

            if (_mayRead) link.Line(this);
            return 0;
        }

        public bool TryAnswer((IpAddress Address, ushort Port) source, (IpAddress Address, ushort Port) destination, ReadOnlySpan<byte> payload)
        {
            if (source != (guest, port)) return false;
            for (int i = 0; i < _count; i++)
            {
                if (_peers[i].Seen != destination.Address || _peers[i].Peer.Port != destination.Port) continue;
                _peers[i].Used = ++_uses;
                _ = socket.SendTo(payload, _peers[i].Peer);
                return true;
            }

            return false;
        }

        public void Dispose() => socket.Dispose();

        private void Remember(IpAddress seen, in InetEndPoint peer)
        {
            int oldest = 0;
            for (int i = 0; i < _count; i++)
            {
                if (_peers[i].Peer == peer)
                {
                    _peers[i].Used = ++_uses;
                    return;
                }

                if (_peers[i].Used < _peers[oldest].Used) oldest = i;
            }

            int at = _count < MostPeers ? _count++ : oldest;
            _peers[at] = (seen, peer, ++_uses);
        }

        private void DropErrors()
        {
            Span<byte> none = stackalloc byte[1];
            for (int i = 0; i < MostPeers && socket.TryReceiveError(none, out _); i++) { }
        }
    }
}
