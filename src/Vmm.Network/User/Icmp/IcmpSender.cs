using System.Buffers.Binary;
using Vmm.Network.User.Packets;

namespace Vmm.Network.User.Icmp;

/// <summary>Makes the ICMP messages that tell the guest what became of its packets (RFC 792, RFC 1812 §4.3.2), a bounded number in a time.</summary>
internal sealed class IcmpSender(GuestLink link)
{
    /// <summary>What an error repeats of the packet: its header and eight bytes more.</summary>
    private const int QuotedPayloadBytes = 8;

    private const int Burst = 100;
    private const long NsPerMessage = 1_000_000;

    private readonly byte[] _message = new byte[IcmpMessage.HeaderBytes + Ipv4Header.MostBytes + QuotedPayloadBytes];
    private long _paidUntilNs = long.MinValue;

    /// <summary>Answers a packet with an error.</summary>
    /// <param name="type">ICMP type.</param>
    /// <param name="code">ICMP code.</param>
    /// <param name="packet">The packet from its IP header on.</param>
    /// <param name="ip">Its header.</param>
    /// <param name="mtu">For "fragmentation needed".</param>
    public void PutError(byte type, byte code, ReadOnlySpan<byte> packet, in Ipv4Header ip, ushort mtu = 0)
    {
        if (ip.FragmentOffset != 0 || ip.Destination == Ipv4Address.Broadcast || ip.Destination.IsMulticast || !link.Options.Network.IsHost(ip.Source)) return;
        int quoted = Math.Min(Math.Min(packet.Length, ip.TotalBytes), ip.HeaderBytes + QuotedPayloadBytes);
        Put(type, code, mtu, link.Options.HostAddress, ip.Source, packet[..quoted]);
    }

    /// <summary>Answers a TCP segment or UDP datagram that is at hand no more with "unreachable".</summary>
    public void PutUnreachable(byte code, Ipv4Address guest, Ipv4Address remote, byte protocol, ushort guestPort, ushort remotePort, uint sequence)
    {
        Span<byte> transport = stackalloc byte[QuotedPayloadBytes];
        BinaryPrimitives.WriteUInt16BigEndian(transport, guestPort);
        BinaryPrimitives.WriteUInt16BigEndian(transport[2..], remotePort);
        BinaryPrimitives.WriteUInt32BigEndian(transport[4..], sequence);
        PutAbout(IcmpMessage.DEST_UNREACH, code, 0, link.Options.HostAddress, guest, remote, protocol, transport, QuotedPayloadBytes);
    }

    /// <summary>Passes on an error that somebody sent about a packet of ours which stands for one of the guest's.</summary>
    /// <param name="reporter">Who sent it.</param>
    /// <param name="transport">The first eight bytes of the guest's packet behind its IP header.</param>
    /// <param name="transportBytes">How long it was there.</param>
    public void PutAbout(byte type, byte code, ushort mtu, Ipv4Address reporter, Ipv4Address guest, Ipv4Address remote, byte protocol,
        ReadOnlySpan<byte> transport, int transportBytes)
    {
        Span<byte> quoted = stackalloc byte[Ipv4Header.LeastBytes + QuotedPayloadBytes];
        new Ipv4Header(guest, remote, protocol, 1, Ipv4Header.LeastBytes, Ipv4Header.LeastBytes + transportBytes, 0, 0, false, false).Write(quoted);
        transport[..QuotedPayloadBytes].CopyTo(quoted[Ipv4Header.LeastBytes..]);
        Put(type, code, mtu, reporter, guest, quoted);
    }

    private void Put(byte type, byte code, ushort mtu, Ipv4Address source, Ipv4Address guest, ReadOnlySpan<byte> quoted)
    {
        if (!MaySend()) return;
        Span<byte> message = _message.AsSpan(0, IcmpMessage.HeaderBytes + quoted.Length);
        message.Clear();
        (message[0], message[1]) = (type, code);
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpMessage.MtuAt..], mtu);
        quoted.CopyTo(message[IcmpMessage.HeaderBytes..]);
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpMessage.ChecksumAt..], InternetChecksum.Of(message));
        link.PutIpv4(source, guest, Ipv4Header.IPPROTO_ICMP, message);
    }

    private bool MaySend()
    {
        long now = link.Clock.NowNs;
        _paidUntilNs = Math.Max(_paidUntilNs, now - Burst * NsPerMessage) + NsPerMessage;
        if (_paidUntilNs <= now + NsPerMessage) return true;
        _paidUntilNs -= NsPerMessage;
        return false;
    }
}
