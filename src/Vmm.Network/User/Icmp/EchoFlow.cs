using System.Buffers.Binary;
using Vmm.Host.Sockets;
using Vmm.Network.User.Flows;
using Vmm.Network.User.Packets;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.User.Icmp;

/// <summary>The echo requests of one identifier of the guest, on a socket of the host.</summary>
internal sealed class EchoFlow(EchoFlows owner, IpAddress guest, ushort id, IHostDatagrams socket, bool isRaw, ushort ownId) : DatagramFlow(owner.Link, socket)
{
    private const long IdleNs = 30_000_000_000;

    /// <inheritdoc/>
    public override long DeadlineNs => LastUsedNs + IdleNs;

    /// <summary>Sends a request on.</summary>
    /// <param name="message">The ICMP message; its identifier and checksum are changed.</param>
    /// <param name="destination">To whom.</param>
    /// <param name="hops">The time to live that is left.</param>
    public SocketStatus Send(Span<byte> message, in InetEndPoint destination, byte hops)
    {
        Use();
        SetTimeToLive(hops);
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpMessage.IdAt..], ownId);
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpMessage.ChecksumAt..], 0);
        // With IPv6 the kernel sums: it alone knows the source's address.
        if (guest.IsV4) BinaryPrimitives.WriteUInt16BigEndian(message[IcmpMessage.ChecksumAt..], InternetChecksum.Of(message));
        return Socket.SendTo(message, destination);
    }

    /// <inheritdoc/>
    protected override void TakeAnswer()
    {
        Span<byte> buffer = owner.Scratch;
        SocketStatus status = Socket.ReceiveFrom(buffer, out int received, out InetEndPoint from);
        if (status != SocketStatus.Ok)
        {
            // Another error than "nothing there" is an ICMP message, which its own event brings.
            if (status == SocketStatus.Pending) ReadNothing();
            return;
        }

        Span<byte> message = buffer[..received];
        if (isRaw && guest.IsV4)
        {
            if (!Ipv4Header.TryRead(message, received, false, out IpHeader ip)) return;
            message = message[ip.HeaderBytes..ip.TotalBytes];
        }

        if (message.Length < IcmpMessage.HeaderBytes || message[0] != (guest.IsV4 ? IcmpMessage.ECHO_REPLY : IcmpV6Message.ICMP6_ECHO_REPLY)) return;
        if (isRaw && BinaryPrimitives.ReadUInt16BigEndian(message[IcmpMessage.IdAt..]) != ownId) return;
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpMessage.IdAt..], id);
        owner.Link.PutIcmp(from.IsIPv6 ? new(from.Address) : IpAddress.FromV4(from.AddressV4), guest, message);
    }

    /// <inheritdoc/>
    protected override void TakeErrors()
    {
        Span<byte> original = stackalloc byte[IcmpMessage.HeaderBytes];
        for (int i = 0; i < ErrorsAtOnce && Socket.TryReceiveError(original, out SocketErrorReport report); i++)
        {
            if (report.PayloadBytes < IcmpMessage.HeaderBytes || original[0] != (guest.IsV4 ? IcmpMessage.ECHO : IcmpV6Message.ICMP6_ECHO_REQUEST)) continue;
            BinaryPrimitives.WriteUInt16BigEndian(original[IcmpMessage.IdAt..], id);
            IpAddress remote = report.Destination.IsIPv6 ? new(report.Destination.Address) : IpAddress.FromV4(report.Destination.AddressV4);
            owner.Icmp.PutAbout(report, owner.Routes.Seen(report.Reporter, guest), guest, remote, IpHeader.ControlProtocol(guest), original, IcmpMessage.HeaderBytes);
        }
    }
}
