using System.Buffers.Binary;
using Vmm.Host.Sockets;
using Vmm.Network.User.Flows;
using Vmm.Network.User.Packets;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.User.Icmp;

/// <summary>
/// Echo requests: ours are answered here; others go on through ICMP sockets where the host lets this process have them, else they are
/// answered with "filtered", which is the truth.
/// </summary>
internal sealed class EchoFlows(GuestLink link, IHostSockets sockets, Routes routes, IcmpSender icmp, byte[] scratch)
{
    private const int MostFlows = 64;

    private readonly FlowTable<(IpAddress, ushort), EchoFlow> _flows = new(link, MostFlows);
    private ushort _nextId = (ushort)link.Random.Next();

    public GuestLink Link => link;

    public Routes Routes => routes;

    public IcmpSender Icmp => icmp;

    public byte[] Scratch => scratch;

    public int Count => _flows.Count;

    /// <summary>Takes an ICMP message whose checksum is good.</summary>
    /// <param name="ip">The packet's header.</param>
    /// <param name="packet">The packet; the message in it is changed.</param>
    public void Input(in IpHeader ip, Span<byte> packet)
    {
        Span<byte> message = packet[ip.HeaderBytes..ip.TotalBytes];
        if (message.Length < IcmpMessage.HeaderBytes || message[0] != (ip.IsV4 ? IcmpMessage.ECHO : IcmpV6Message.ICMP6_ECHO_REQUEST)) return;
        if (link.Options.IsHost(ip.Destination) || link.Options.IsNameServer(ip.Destination))
        {
            Answer(ip, message);
            return;
        }

        Route route = routes.Find(ip.Destination, 0, out InetEndPoint remote);
        if (route == Route.None) return;
        IcmpError error = route == Route.Unreachable ? IcmpError.HostUnreachable : IcmpError.Filtered;
        ushort id = BinaryPrimitives.ReadUInt16BigEndian(message[IcmpMessage.IdAt..]);
        if (route == Route.Open && Find(ip.Source, id) is { } flow)
        {
            SocketStatus status = flow.Send(message, remote, (byte)(ip.Hops - 1));
            if (status is SocketStatus.Ok or SocketStatus.Pending or SocketStatus.NoResources) return;
            BinaryPrimitives.WriteUInt16BigEndian(message[IcmpMessage.IdAt..], id);
            error = status == SocketStatus.NetUnreachable ? IcmpError.NetUnreachable : IcmpError.HostUnreachable;
        }

        icmp.PutError(error, packet, ip);
    }

    /// <inheritdoc cref="FlowTable{TKey, TFlow}.Expire"/>
    public long Expire(long nowNs) => _flows.Expire(nowNs);

    public void CloseAll() => _flows.CloseAll();

    private void Answer(in IpHeader ip, Span<byte> message)
    {
        message[0] = ip.IsV4 ? IcmpMessage.ECHO_REPLY : IcmpV6Message.ICMP6_ECHO_REPLY;
        link.PutIcmp(ip.Destination, ip.Source, message);
    }

    private EchoFlow? Find(IpAddress guest, ushort id)
    {
        if (_flows.TryGet((guest, id), out EchoFlow? flow)) return flow;
        _flows.MakeRoom();
        bool isRaw = false;
        SocketStatus status = sockets.OpenDatagrams(SocketKind.Echo, !guest.IsV4, out IHostDatagrams? socket);
        if (status != SocketStatus.Ok)
        {
            isRaw = true;
            status = sockets.OpenDatagrams(SocketKind.EchoRaw, !guest.IsV4, out socket);
        }

        if (status != SocketStatus.Ok) return null;
        flow = new(this, guest, id, socket!, isRaw, _nextId++);
        return _flows.TryAdd((guest, id), flow) ? flow : null;
    }
}
