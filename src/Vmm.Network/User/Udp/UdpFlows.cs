using Vmm.Host.Sockets;
using Vmm.Network.User.Flows;
using Vmm.Network.User.Icmp;
using Vmm.Network.User.Packets;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.User.Udp;

/// <summary>All flows of datagrams. A full table gives up the one longest unused.</summary>
internal sealed class UdpFlows(GuestLink link, IHostSockets sockets, Routes routes, IcmpSender icmp, byte[] scratch)
{
    private const int MostFlows = 512;
    private const int MostUnanswered = 2;

    private readonly FlowTable<UdpKey, UdpFlow> _flows = new(link, MostFlows);

    public GuestLink Link => link;

    public Routes Routes => routes;

    public IcmpSender Icmp => icmp;

    public byte[] Scratch => scratch;

    public int Count => _flows.Count;

    public ulong SentBytes { get; private set; }

    public ulong ReceivedBytes { get; set; }

    /// <summary>Takes a datagram whose checksum is good.</summary>
    /// <param name="queue">Where it came from.</param>
    /// <param name="ip">The packet's header.</param>
    /// <param name="udp">The datagram's.</param>
    /// <param name="packet">The packet.</param>
    /// <param name="segmentBytes">Cut the payload into datagrams of this size; 0 for one.</param>
    public void Input(int queue, in IpHeader ip, in UdpHeader udp, ReadOnlySpan<byte> packet, int segmentBytes)
    {
        ReadOnlySpan<byte> payload = packet.Slice(ip.HeaderBytes + UdpHeader.Bytes, udp.Length - UdpHeader.Bytes);
        Route route = routes.Find(ip.Destination, udp.DestinationPort, out InetEndPoint remote);
        if (route == Route.None) return;
        IcmpError error = route switch
        {
            Route.Refused => IcmpError.PortUnreachable,
            Route.Filtered => IcmpError.Filtered,
            _ => IcmpError.HostUnreachable,
        };
        if (route == Route.Open)
        {
            SocketStatus status = Send(queue, ip, udp, payload, remote, segmentBytes);
            if (status is SocketStatus.Ok or SocketStatus.Pending or SocketStatus.NoResources) return;
            error = status switch
            {
                SocketStatus.TooLong => IcmpError.TooBig,
                SocketStatus.NetUnreachable => IcmpError.NetUnreachable,
                SocketStatus.Refused => IcmpError.PortUnreachable,
                SocketStatus.Denied => IcmpError.Filtered,
                _ => IcmpError.HostUnreachable,
            };
        }

        icmp.PutError(error, packet, ip);
    }

    /// <inheritdoc cref="FlowTable{TKey, TFlow}.Expire"/>
    public long Expire(long nowNs) => _flows.Expire(nowNs);

    public void CloseAll() => _flows.CloseAll();

    private SocketStatus Send(int queue, in IpHeader ip, in UdpHeader udp, ReadOnlySpan<byte> payload, InetEndPoint remote, int segmentBytes)
    {
        UdpKey key = new(ip.Source, udp.SourcePort, routes.IsNameServer(ip.Destination));
        UdpFlow? flow = Find(key, ref remote, out SocketStatus status);
        if (flow is null) return status;
        flow.Queue = queue;
        SentBytes += (ulong)payload.Length;
        byte hops = (byte)(ip.Hops - 1);
        if (segmentBytes == 0) return flow.Send(payload, remote, hops);
        while (!payload.IsEmpty && status == SocketStatus.Ok)
        {
            ReadOnlySpan<byte> piece = payload[..Math.Min(segmentBytes, payload.Length)];
            status = flow.Send(piece, remote, hops);
            payload = payload[piece.Length..];
        }

        return status;
    }

    private UdpFlow? Find(in UdpKey key, ref InetEndPoint remote, out SocketStatus status)
    {
        status = SocketStatus.Ok;
        if (_flows.TryGet(key, out UdpFlow? flow) && key.IsNameService)
        {
            // A guest that asks again in vain gets the next server, and one that has changed needs a socket of its own.
            if (flow.Unanswered >= MostUnanswered)
            {
                routes.NameServerFailed();
                _ = routes.Find(key.NameServer(link.Options), Routes.DomainPort, out remote);
            }

            if (flow.NameServer != remote || flow.Unanswered >= MostUnanswered)
            {
                _flows.Close(key, flow);
                flow = null;
            }
        }

        if (flow is not null) return flow;
        _flows.MakeRoom();
        status = sockets.OpenDatagrams(SocketKind.Datagram, remote.IsIPv6, out IHostDatagrams? socket);
        if (socket is null) return null;
        flow = new(this, key, socket);
        if (_flows.TryAdd(key, flow)) return flow;
        status = SocketStatus.NoResources;
        return null;
    }
}
