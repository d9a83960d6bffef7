using System.Buffers.Binary;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Network.User.Packets;

namespace Vmm.Network.User.Dhcp;

/// <summary>The network's DHCP server (RFC 2131, options of RFC 2132). In a restricted network it tells neither router nor name server.</summary>
internal sealed class DhcpServer(IDhcpLink link)
{
    public const ushort ServerPort = 67;

    public const ushort ClientPort = 68;

    // The least that a BOOTP client takes (RFC 1542 §2.1), and room for two names.
    private const int LeastReplyBytes = 300;
    private const int MostReplyBytes = 1024;

    private readonly DhcpLeases _leases = new(link);
    private readonly byte[] _reply = new byte[UdpHeader.Bytes + MostReplyBytes];
    private readonly byte[] _hostName = Encoding.ASCII.GetBytes(link.Options.HostName ?? "");
    private readonly byte[] _domain = Encoding.ASCII.GetBytes(link.Options.Domain ?? "");

    private UserNetOptions Options => link.Options;

    /// <summary>Takes over what is remembered of an earlier server.</summary>
    public void Remember(Ipv4Address address, ReadOnlySpan<byte> identity) => _leases.TryBind(identity, address, link.Clock.NowNs);

    /// <summary>Takes a datagram to the server's port.</summary>
    public void Input(ReadOnlySpan<byte> message)
    {
        if (!DhcpRequest.TryRead(message, out DhcpRequest request)) return;
        long now = link.Clock.NowNs;
        Span<byte> mac = stackalloc byte[MacAddress.SizeBytes];
        request.Mac.Write(mac);
        ReadOnlySpan<byte> identity = link.KnowsByMac ? mac : request.Identity;
        switch (request.Type)
        {
            case DhcpMessageType.DHCPDISCOVER:
                if (link.ReservedFor(request.Mac) is { } own) Reply(request, DhcpMessageType.DHCPOFFER, own);
                else if (_leases.TryOffer(identity, request.RequestedAddress, now, out Ipv4Address offer))
                    Reply(request, DhcpMessageType.DHCPOFFER, offer);
                break;
            case DhcpMessageType.DHCPREQUEST:
                OnRequest(request, identity, now);
                break;
            case DhcpMessageType.DHCPINFORM:
                Reply(request, DhcpMessageType.DHCPACK, default);
                break;
            case DhcpMessageType.DHCPRELEASE:
                _leases.Release(identity);
                break;
            case DhcpMessageType.DHCPDECLINE when request.RequestedAddress is { } address:
                _leases.Decline(identity, address, now);
                break;
        }
    }

    private void OnRequest(in DhcpRequest request, ReadOnlySpan<byte> identity, long now)
    {
        // Another server was chosen: ours is not needed (RFC 2131 §4.3.2).
        if (request.Server is { } server && server != Options.HostAddress) return;
        Ipv4Address wanted = request.RequestedAddress ?? request.ClientAddress;
        bool isBound = link.ReservedFor(request.Mac) is { } own ? wanted == own : _leases.TryBind(identity, wanted, now);
        if (isBound) link.Bound(wanted, identity);
        Reply(request, isBound ? DhcpMessageType.DHCPACK : DhcpMessageType.DHCPNAK, isBound ? wanted : default);
    }

    private void Reply(in DhcpRequest request, DhcpMessageType type, Ipv4Address yours)
    {
        Span<byte> message = _reply.AsSpan(UdpHeader.Bytes);
        message.Clear();
        message[DhcpRequest.OperationAt] = DhcpRequest.BOOTREPLY;
        message[DhcpRequest.HardwareTypeAt] = DhcpRequest.HardwareEthernet;
        message[DhcpRequest.HardwareBytesAt] = MacAddress.SizeBytes;
        BinaryPrimitives.WriteUInt32BigEndian(message[DhcpRequest.TransactionAt..], request.Transaction);
        BinaryPrimitives.WriteUInt16BigEndian(message[DhcpRequest.FlagsAt..], request.Flags);
        bool isNo = type == DhcpMessageType.DHCPNAK;
        BinaryPrimitives.WriteUInt32BigEndian(message[DhcpRequest.ClientAddressAt..], isNo ? 0 : request.ClientAddress.Value);
        BinaryPrimitives.WriteUInt32BigEndian(message[DhcpRequest.YourAddressAt..], yours.Value);
        request.Mac.Write(message[DhcpRequest.HardwareAddressAt..]);
        BinaryPrimitives.WriteUInt32BigEndian(message[DhcpRequest.MagicAt..], DhcpRequest.Magic);
        OptionWriter options = new(message[DhcpRequest.FixedBytes..]);
        options.Put(DhcpOption.MessageType, [(byte)type]);
        options.Put(DhcpOption.ServerIdentifier, Options.HostAddress.Value);
        if (!isNo) PutNetwork(ref options, hasLease: yours != default);
        options.End();
        Send(request, isNo, yours, Math.Max(LeastReplyBytes, DhcpRequest.FixedBytes + options.Length));
    }

    private void PutNetwork(ref OptionWriter options, bool hasLease)
    {
        options.Put(DhcpOption.SubnetMask, Options.Network.Mask.Value);
        options.Put(DhcpOption.BroadcastAddress, Options.Network.Broadcast.Value);
        if (!Options.IsRestricted)
        {
            options.Put(DhcpOption.Router, Options.HostAddress.Value);
            options.Put(DhcpOption.DomainNameServer, Options.DnsAddress.Value);
        }

        options.Put(DhcpOption.InterfaceMtu, [(byte)(Options.Mtu >> 8), (byte)Options.Mtu]);
        if (_hostName.Length != 0) options.Put(DhcpOption.HostName, _hostName);
        if (_domain.Length != 0) options.Put(DhcpOption.DomainName, _domain);
        if (!hasLease) return;
        options.Put(DhcpOption.LeaseTime, DhcpLeases.LeaseSeconds);
        options.Put(DhcpOption.RenewalTime, DhcpLeases.LeaseSeconds / 2);
        options.Put(DhcpOption.RebindingTime, DhcpLeases.LeaseSeconds / 8 * 7);
    }

    /// <summary>To the address that the client has or gets, by its Ethernet address: it does not answer ARP yet (RFC 2131 §4.1).</summary>
    private void Send(in DhcpRequest request, bool isNo, Ipv4Address yours, int bytes)
    {
        bool isBroadcast = isNo || (request.ClientAddress == default && ((request.Flags & DhcpRequest.BroadcastFlag) != 0 || yours == default));
        Ipv4Address to = isBroadcast ? Ipv4Address.Broadcast : request.ClientAddress != default ? request.ClientAddress : yours;
        MacAddress mac = isBroadcast || request.Mac.IsMulticast ? MacAddress.Broadcast : request.Mac;
        link.SendReply(to, mac, answersArp: request.ClientAddress != default, _reply.AsSpan(0, UdpHeader.Bytes + bytes));
    }

    private ref struct OptionWriter(Span<byte> to)
    {
        private readonly Span<byte> _to = to;

        public int Length { get; private set; }

        public void Put(DhcpOption option, scoped ReadOnlySpan<byte> value)
        {
            _to[Length] = (byte)option;
            _to[Length + 1] = (byte)value.Length;
            value.CopyTo(_to[(Length + 2)..]);
            Length += 2 + value.Length;
        }

        public void Put(DhcpOption option, uint value)
        {
            Span<byte> bytes = stackalloc byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
            Put(option, bytes);
        }

        public void End() => _to[Length++] = (byte)DhcpOption.End;
    }
}
