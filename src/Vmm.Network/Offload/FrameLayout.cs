using System.Buffers.Binary;
using Vmm.Core.Backends;

namespace Vmm.Network.Offload;

/// <summary>Where the headers of a frame of TCP or UDP stand. Every offset that is here lies within the frame.</summary>
/// <param name="Network">Where the IP header begins.</param>
/// <param name="Transport">Where the TCP or UDP header begins.</param>
/// <param name="End">Where the IP packet ends; padding may follow.</param>
/// <param name="Protocol">6 for TCP, 17 for UDP.</param>
/// <param name="IsV6">IPv6, not IPv4.</param>
internal readonly record struct FrameLayout(int Network, int Transport, int End, byte Protocol, bool IsV6)
{
    public const byte Tcp = 6, Udp = 17;
    public const int V4Bytes = 20, V6Bytes = 40, TcpBytes = 20, UdpBytes = 8;
    public const int V4LengthAt = 2, V4IdAt = 4, V4FragmentAt = 6, V4ProtocolAt = 9, V4ChecksumAt = 10, V4AddressesAt = 12, V4AddressBytes = 8;
    public const int V6LengthAt = 4, V6NextAt = 6, V6AddressesAt = 8, V6AddressBytes = 32;
    public const int TcpSequenceAt = 4, TcpOffsetAt = 12, TcpFlagsAt = 13, TcpChecksumAt = 16, UdpLengthAt = 4, UdpChecksumAt = 6;

    private const int EtherTypeAt = 12, TagBytes = 4, MostTags = 2, MostExtensions = 8;
    private const ushort ETH_P_IP = 0x0800, ETH_P_IPV6 = 0x86dd, ETH_P_8021Q = 0x8100, ETH_P_8021AD = 0x88a8, FragmentMask = 0x3fff;
    private const byte HopByHop = 0, Routing = 43, DestinationOptions = 60;

    /// <summary>Where the checksum of TCP or UDP stands.</summary>
    public int Checksum => Transport + (Protocol == Tcp ? TcpChecksumAt : UdpChecksumAt);

    /// <summary>Reads a frame's headers. False when it is not a whole packet of TCP or UDP.</summary>
    public static bool TryRead(ReadOnlySpan<byte> frame, out FrameLayout layout)
    {
        layout = default;
        int at = EtherTypeAt;
        if (frame.Length < NetHeader.EthernetBytes) return false;
        ushort type = BinaryPrimitives.ReadUInt16BigEndian(frame[at..]);
        for (int tags = 0; tags < MostTags && type is ETH_P_8021Q or ETH_P_8021AD; tags++)
        {
            at += TagBytes;
            if (frame.Length < at + sizeof(ushort)) return false;
            type = BinaryPrimitives.ReadUInt16BigEndian(frame[at..]);
        }

        at += sizeof(ushort);
        bool isFound = type switch
        {
            ETH_P_IP => TryReadV4(frame, at, out layout),
            ETH_P_IPV6 => TryReadV6(frame, at, out layout),
            _ => false,
        };
        return isFound && layout.End - layout.Transport >= (layout.Protocol == Tcp ? TcpBytes : UdpBytes);
    }

    /// <summary>The sum of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1).</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="bytes">Bytes of the TCP or UDP header and what it carries.</param>
    public ulong PseudoHeader(ReadOnlySpan<byte> frame, int bytes)
    {
        ReadOnlySpan<byte> addresses = IsV6 ? frame.Slice(Network + V6AddressesAt, V6AddressBytes) : frame.Slice(Network + V4AddressesAt, V4AddressBytes);
        return OnesSum.Add(OnesSum.Add(OnesSum.Add(0, addresses), Protocol), (ushort)bytes);
    }

    private static bool TryReadV4(ReadOnlySpan<byte> frame, int at, out FrameLayout layout)
    {
        layout = default;
        if (frame.Length - at < V4Bytes) return false;
        int headerBytes = (frame[at] & 0xf) * 4;
        int total = BinaryPrimitives.ReadUInt16BigEndian(frame[(at + V4LengthAt)..]);
        bool isFragment = (BinaryPrimitives.ReadUInt16BigEndian(frame[(at + V4FragmentAt)..]) & FragmentMask) != 0;
        byte protocol = frame[at + V4ProtocolAt];
        bool isGood = frame[at] >> 4 == 4 && headerBytes >= V4Bytes && total >= headerBytes && total <= frame.Length - at && !isFragment && protocol is Tcp or Udp;
        layout = new FrameLayout(at, at + headerBytes, at + total, protocol, IsV6: false);
        return isGood;
    }

    private static bool TryReadV6(ReadOnlySpan<byte> frame, int at, out FrameLayout layout)
    {
        layout = default;
        if (frame.Length - at < V6Bytes || frame[at] >> 4 != 6) return false;
        int end = at + V6Bytes + BinaryPrimitives.ReadUInt16BigEndian(frame[(at + V6LengthAt)..]);
        int transport = at + V6Bytes;
        byte next = frame[at + V6NextAt];
        for (int i = 0; i < MostExtensions && next is HopByHop or Routing or DestinationOptions; i++)
        {
            if (end > frame.Length || end - transport < 8) return false;
            next = frame[transport];
            transport += 8 * (frame[transport + 1] + 1);
        }

        layout = new FrameLayout(at, transport, end, next, IsV6: true);
        return end <= frame.Length && transport <= end && next is Tcp or Udp;
    }
}
