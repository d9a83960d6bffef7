using System.Buffers.Binary;

namespace Vmm.Network.User.Packets;

/// <summary>The IPv6 header as it stands in a packet, with the extension headers that a guest may send (RFC 8200 §3, §4).</summary>
internal static class Ipv6Header
{
    public const int LeastBytes = 40;

    /// <summary>The longest one that is read: more extension headers than that are nothing an honest guest sends.</summary>
    public const int MostBytes = 128;

    /// <summary>Bytes of the header that makes a packet a fragment.</summary>
    public const int FragmentBytes = 8;

    private const int Version = 6;
    private const int LengthAt = 4, NextAt = 6, HopsAt = 7, SourceAt = 8, DestinationAt = 24;
    private const byte HopByHop = 0, Routing = 43, Fragment = 44, DestinationOptions = 60;
    private const int ExtensionUnit = 8, SegmentsLeftAt = 3, OffsetAt = 2, IdAt = 4;
    private const ushort M = 1;
    private const ushort OffsetMask = 0xfff8;

    /// <inheritdoc cref="Ipv4Header.TryRead"/>
    public static bool TryRead(ReadOnlySpan<byte> packet, int available, bool isSegmented, out IpHeader header)
    {
        header = default;
        if (packet.Length < LeastBytes || packet[0] >> 4 != Version) return false;
        int payload = BinaryPrimitives.ReadUInt16BigEndian(packet[LengthAt..]);
        if (payload == 0 && isSegmented) payload = available - LeastBytes;
        if (payload > available - LeastBytes) return false;
        IpHeader read = new(IpAddress.Read(packet[SourceAt..]), IpAddress.Read(packet[DestinationAt..]), packet[NextAt], packet[HopsAt], LeastBytes, LeastBytes + payload);
        // On a wire a mapped address is nobody's, and here it would pass for one of IPv4 (RFC 4942 §2.2).
        if (read.Source.IsV4 || read.Destination.IsV4 || !TryReadExtensions(packet, ref read)) return false;
        header = read;
        return true;
    }

    /// <summary>Writes a header, and behind it that of a fragment where it is one.</summary>
    public static void Write(in IpHeader header, Span<byte> to)
    {
        BinaryPrimitives.WriteUInt32BigEndian(to, (uint)Version << 28);
        BinaryPrimitives.WriteUInt16BigEndian(to[LengthAt..], (ushort)(header.TotalBytes - LeastBytes));
        to[NextAt] = header.IsFragment ? Fragment : header.Protocol;
        to[HopsAt] = header.Hops;
        header.Source.Write(to[SourceAt..]);
        header.Destination.Write(to[DestinationAt..]);
        if (!header.IsFragment) return;
        Span<byte> fragment = to.Slice(LeastBytes, FragmentBytes);
        (fragment[0], fragment[1]) = (header.Protocol, 0);
        BinaryPrimitives.WriteUInt16BigEndian(fragment[OffsetAt..], (ushort)(header.FragmentOffset | (header.HasMoreFragments ? M : 0)));
        BinaryPrimitives.WriteUInt32BigEndian(fragment[IdAt..], header.Id);
    }

    private static bool TryReadExtensions(ReadOnlySpan<byte> packet, ref IpHeader header)
    {
        bool isFragmented = false;
        while (header.Protocol is HopByHop or Routing or Fragment or DestinationOptions)
        {
            int at = header.HeaderBytes;
            int bytes = Math.Min(Math.Min(packet.Length, header.TotalBytes), MostBytes) - at;
            if (bytes < ExtensionUnit) return false;
            ReadOnlySpan<byte> extension = packet.Slice(at, bytes);
            int length = header.Protocol == Fragment ? FragmentBytes : ExtensionUnit * (extension[1] + 1);
            // Nobody here passes packets on by a route that the sender chose (RFC 5095).
            if (length > bytes || (header.Protocol == Routing && extension[SegmentsLeftAt] != 0) || (header.Protocol == Fragment && isFragmented)) return false;
            if (header.Protocol == Fragment)
            {
                isFragmented = true;
                ushort place = BinaryPrimitives.ReadUInt16BigEndian(extension[OffsetAt..]);
                header = header with
                {
                    FragmentOffset = place & OffsetMask,
                    HasMoreFragments = (place & M) != 0,
                    Id = BinaryPrimitives.ReadUInt32BigEndian(extension[IdAt..]),
                };
            }

            header = header with { Protocol = extension[0], HeaderBytes = at + length };
            // What follows belongs to the whole packet, and is read with it.
            if (header.IsFragment) return true;
        }

        return true;
    }
}
