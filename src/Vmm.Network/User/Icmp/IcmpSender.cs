using System.Buffers.Binary;
using Vmm.Host.Sockets;
using Vmm.Network.User.Packets;
using static Vmm.Network.User.Packets.IcmpMessage;
using static Vmm.Network.User.Packets.IcmpV6Message;

namespace Vmm.Network.User.Icmp;

/// <summary>
/// Makes the ICMP messages that tell the guest what became of its packets (RFC 792, RFC 1812 §4.3.2, RFC 4443 §3), a bounded number in a time.
/// </summary>
internal sealed class IcmpSender(GuestLink link)
{
    /// <summary>What an error repeats of the packet: its header and eight bytes more.</summary>
    private const int QuotedPayloadBytes = 8;

    private const int Burst = 100;
    private const long NsPerMessage = 1_000_000;

    private readonly byte[] _message = new byte[HeaderBytes + IpHeader.MostBytes + QuotedPayloadBytes];
    private long _paidUntilNs = long.MinValue;

    /// <summary>Answers a packet with an error.</summary>
    /// <param name="error">What became of it.</param>
    /// <param name="packet">The packet from its IP header on.</param>
    /// <param name="ip">Its header.</param>
    public void PutError(IcmpError error, ReadOnlySpan<byte> packet, in IpHeader ip)
    {
        if (ip.FragmentOffset != 0 || ip.Destination.IsMulticast || ip.Destination == Ipv4Address.Broadcast || !link.Options.IsGuest(ip.Source)) return;
        int quoted = Math.Min(Math.Min(packet.Length, ip.TotalBytes), ip.HeaderBytes + QuotedPayloadBytes);
        (byte type, byte code) = Wire(error, ip.IsV4);
        Put(type, code, error == IcmpError.TooBig ? (uint)link.Options.Mtu : 0, link.Options.HostFor(ip.Source), ip.Source, packet[..quoted]);
    }

    /// <summary>Answers a TCP segment that is at hand no more.</summary>
    public void PutUnreachable(IcmpError error, IpAddress guest, IpAddress remote, ushort guestPort, ushort remotePort, uint sequence)
    {
        Span<byte> transport = stackalloc byte[QuotedPayloadBytes];
        BinaryPrimitives.WriteUInt16BigEndian(transport, guestPort);
        BinaryPrimitives.WriteUInt16BigEndian(transport[2..], remotePort);
        BinaryPrimitives.WriteUInt32BigEndian(transport[4..], sequence);
        (byte type, byte code) = Wire(error, guest.IsV4);
        PutAbout(type, code, 0, link.Options.HostFor(guest), guest, remote, IpHeader.IPPROTO_TCP, transport, QuotedPayloadBytes);
    }

    /// <summary>Passes on an error that somebody sent about a packet of ours which stands for one of the guest's.</summary>
    /// <param name="report">What the host has heard.</param>
    /// <param name="reporter">Who sent it, as the guest sees that.</param>
    /// <param name="guest">Whose packet it was.</param>
    /// <param name="remote">Whom it was for.</param>
    /// <param name="protocol">What it carried.</param>
    /// <param name="transport">The first eight bytes of the guest's packet behind its IP header.</param>
    /// <param name="transportBytes">How long it was there.</param>
    public void PutAbout(in SocketErrorReport report, IpAddress reporter, IpAddress guest, IpAddress remote, byte protocol, ReadOnlySpan<byte> transport, int transportBytes)
    {
        // The host's name server can have an address of the other kind, whose errors the guest would not understand.
        (byte type, byte code) = report.Destination.IsIPv6 != guest.IsV4 ? (report.Type, report.Code) : Wire(IcmpError.PortUnreachable, guest.IsV4);
        PutAbout(type, code, report.Info, reporter, guest, remote, protocol, transport, transportBytes);
    }

    private void PutAbout(byte type, byte code, uint info, IpAddress reporter, IpAddress guest, IpAddress remote, byte protocol, ReadOnlySpan<byte> transport, int transportBytes)
    {
        int headerBytes = IpHeader.PlainBytes(guest);
        Span<byte> quoted = stackalloc byte[IpHeader.MostPlainBytes + QuotedPayloadBytes];
        new IpHeader(guest, remote, protocol, 1, headerBytes, headerBytes + transportBytes).Write(quoted);
        transport[..QuotedPayloadBytes].CopyTo(quoted[headerBytes..]);
        Put(type, code, info, reporter, guest, quoted[..(headerBytes + QuotedPayloadBytes)]);
    }

    private void Put(byte type, byte code, uint mtu, IpAddress source, IpAddress guest, ReadOnlySpan<byte> quoted)
    {
        if (!MaySend()) return;
        Span<byte> message = _message.AsSpan(0, HeaderBytes + quoted.Length);
        message.Clear();
        (message[0], message[1]) = (type, code);
        if (guest.IsV4) BinaryPrimitives.WriteUInt16BigEndian(message[IcmpMessage.MtuAt..], (ushort)Math.Min(mtu, ushort.MaxValue));
        else BinaryPrimitives.WriteUInt32BigEndian(message[IcmpV6Message.MtuAt..], type == ICMP6_PACKET_TOO_BIG ? mtu : 0);
        quoted.CopyTo(message[HeaderBytes..]);
        link.PutIcmp(source, guest, message);
    }

    private static (byte Type, byte Code) Wire(IcmpError error, bool isV4) => (error, isV4) switch
    {
        (IcmpError.NetUnreachable, true) => (DEST_UNREACH, NET_UNREACH),
        (IcmpError.HostUnreachable, true) => (DEST_UNREACH, HOST_UNREACH),
        (IcmpError.PortUnreachable, true) => (DEST_UNREACH, PORT_UNREACH),
        (IcmpError.Filtered, true) => (DEST_UNREACH, PKT_FILTERED),
        (IcmpError.TooBig, true) => (DEST_UNREACH, FRAG_NEEDED),
        (_, true) => (TIME_EXCEEDED, EXC_TTL),
        (IcmpError.NetUnreachable, _) => (ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE),
        (IcmpError.HostUnreachable, _) => (ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR),
        (IcmpError.PortUnreachable, _) => (ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT),
        (IcmpError.Filtered, _) => (ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN),
        (IcmpError.TooBig, _) => (ICMP6_PACKET_TOO_BIG, 0),
        _ => (ICMP6_TIME_EXCEEDED, EXC_TTL),
    };

    private bool MaySend()
    {
        long now = link.Clock.NowNs;
        _paidUntilNs = Math.Max(_paidUntilNs, now - Burst * NsPerMessage) + NsPerMessage;
        if (_paidUntilNs <= now + NsPerMessage) return true;
        _paidUntilNs -= NsPerMessage;
        return false;
    }
}
