using System.Buffers.Binary;
using Vmm.Core.Backends;

namespace Vmm.Network.User.Packets;

/// <summary>ARP for IPv4 on Ethernet (RFC 826).</summary>
internal readonly record struct ArpPacket(
    ushort Operation, MacAddress SenderMac, Ipv4Address SenderAddress, MacAddress TargetMac, Ipv4Address TargetAddress)
{
    public const int Bytes = 28;
    public const ushort REQUEST = 1;
    public const ushort REPLY = 2;

    private const ushort HardwareEthernet = 1;
    private const int ProtocolAt = 2, HardwareBytesAt = 4, ProtocolBytesAt = 5, OperationAt = 6;
    private const int SenderMacAt = 8, SenderAddressAt = 14, TargetMacAt = 18, TargetAddressAt = 24;
    private const int AddressBytes = 4;

    public static bool TryRead(ReadOnlySpan<byte> packet, out ArpPacket arp)
    {
        arp = default;
        if (packet.Length < Bytes) return false;
        bool isOurs = BinaryPrimitives.ReadUInt16BigEndian(packet) == HardwareEthernet
            && BinaryPrimitives.ReadUInt16BigEndian(packet[ProtocolAt..]) == Ethernet.ETHERTYPE_IP
            && packet[HardwareBytesAt] == MacAddress.SizeBytes && packet[ProtocolBytesAt] == AddressBytes;
        if (!isOurs) return false;
        arp = new(
            BinaryPrimitives.ReadUInt16BigEndian(packet[OperationAt..]),
            MacAddress.Read(packet[SenderMacAt..]),
            new(BinaryPrimitives.ReadUInt32BigEndian(packet[SenderAddressAt..])),
            MacAddress.Read(packet[TargetMacAt..]),
            new(BinaryPrimitives.ReadUInt32BigEndian(packet[TargetAddressAt..])));
        return true;
    }

    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteUInt16BigEndian(to, HardwareEthernet);
        BinaryPrimitives.WriteUInt16BigEndian(to[ProtocolAt..], Ethernet.ETHERTYPE_IP);
        to[HardwareBytesAt] = MacAddress.SizeBytes;
        to[ProtocolBytesAt] = AddressBytes;
        BinaryPrimitives.WriteUInt16BigEndian(to[OperationAt..], Operation);
        SenderMac.Write(to[SenderMacAt..]);
        BinaryPrimitives.WriteUInt32BigEndian(to[SenderAddressAt..], SenderAddress.Value);
        TargetMac.Write(to[TargetMacAt..]);
        BinaryPrimitives.WriteUInt32BigEndian(to[TargetAddressAt..], TargetAddress.Value);
    }
}
