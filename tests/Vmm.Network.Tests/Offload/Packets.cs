using System.Buffers.Binary;
using System.Net;
using Vmm.Core.Backends;

namespace Vmm.Network.Tests.Offload;

/// <summary>Frames of TCP and UDP as a guest's driver hands them over, and a slow, plain judge of what came out.</summary>
internal static class Packets
{
    public const int Tcp = 6, Udp = 17;

    /// <summary>A long frame with the header that asks for its cut; the checksum field holds the pseudo-header's sum.</summary>
    public static (NetHeader Header, byte[] Frame) Long(bool isV6, int protocol, int payloadBytes, ushort segmentBytes, byte tcpFlags = 0x18, int options = 12, bool hasTag = false)
    {
        int network = hasTag ? 18 : 14, transport = network + (isV6 ? 40 : 20), transportBytes = protocol == Tcp ? 20 + options : 8;
        byte[] frame = new byte[transport + transportBytes + payloadBytes];
        for (int i = transport + transportBytes; i < frame.Length; i++) frame[i] = (byte)(i * 31 + (i >> 8));
        new MacAddress(0x5254_0000_0077).Write(frame.AsSpan(6));
        byte[] type = isV6 ? [0x86, 0xdd] : [8, 0];
        type.CopyTo(frame, network - 2);
        if (hasTag) (frame[12], frame[13], frame[15]) = (0x81, 0, 9);
        WriteNetwork(frame.AsSpan(network), isV6, protocol, transportBytes + payloadBytes);
        Span<byte> l4 = frame.AsSpan(transport);
        BinaryPrimitives.WriteUInt32BigEndian(l4, 0x1234_0050);
        if (protocol == Tcp)
        {
            BinaryPrimitives.WriteUInt32BigEndian(l4[4..], 0xffff_fff0);
            (l4[12], l4[13]) = ((byte)(transportBytes / 4 << 4), tcpFlags);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(l4[4..], (ushort)(transportBytes + payloadBytes));
        }

        int checksumAt = protocol == Tcp ? 16 : 6;
        BinaryPrimitives.WriteUInt16BigEndian(l4[checksumAt..], Fold(PseudoHeader(frame, network, isV6, protocol, l4.Length)));
        NetSegmentation kind = protocol == Udp ? NetSegmentation.VIRTIO_NET_HDR_GSO_UDP_L4
            : isV6 ? NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV6 : NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV4;
        return (new NetHeader(NetHeaderFlags.VIRTIO_NET_HDR_F_NEEDS_CSUM, kind, (ushort)(transport + transportBytes), segmentBytes, (ushort)transport, (ushort)checksumAt), frame);
    }

    /// <summary>Header and frame in one.</summary>
    public static byte[] Join(NetHeader header, byte[] frame)
    {
        byte[] bytes = new byte[INetBackend.HeaderBytes + frame.Length];
        header.Write(bytes);
        frame.CopyTo(bytes, INetBackend.HeaderBytes);
        return bytes;
    }

    /// <summary>Whether all checksums and lengths of a frame are right.</summary>
    public static bool IsRight(byte[] frame)
    {
        int network = frame[12] == 0x81 ? 18 : 14;
        bool isV6 = frame[network] >> 4 == 6;
        int transport = network + (isV6 ? 40 : 20);
        int protocol = frame[network + (isV6 ? 6 : 9)];
        int length = isV6 ? BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(network + 4)) + 40 : BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(network + 2));
        bool isHeaderGood = isV6 || Fold(Sum(frame.AsSpan(network, 20))) == 0xffff;
        bool isUdpGood = protocol != Udp || BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(transport + 4)) == frame.Length - transport;
        ulong sum = PseudoHeader(frame, network, isV6, protocol, frame.Length - transport) + Sum(frame.AsSpan(transport));
        return length == frame.Length - network && isHeaderGood && isUdpGood && Fold(sum) == 0xffff;
    }

    private static void WriteNetwork(Span<byte> header, bool isV6, int protocol, int bytes)
    {
        if (isV6)
        {
            (header[0], header[6], header[7]) = (0x60, (byte)protocol, 64);
            BinaryPrimitives.WriteUInt16BigEndian(header[4..], (ushort)bytes);
            IPAddress.Parse("fd00::1").GetAddressBytes().CopyTo(header[8..]);
            IPAddress.Parse("fd00::2").GetAddressBytes().CopyTo(header[24..]);
            return;
        }

        (header[0], header[8], header[9]) = (0x45, 64, (byte)protocol);
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)(20 + bytes));
        BinaryPrimitives.WriteUInt16BigEndian(header[4..], 0xfffe);
        IPAddress.Parse("10.0.0.1").GetAddressBytes().CopyTo(header[12..]);
        IPAddress.Parse("10.0.0.2").GetAddressBytes().CopyTo(header[16..]);
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], (ushort)~Fold(Sum(header[..20])));
    }

    private static ulong PseudoHeader(byte[] frame, int network, bool isV6, int protocol, int bytes)
        => Sum(isV6 ? frame.AsSpan(network + 8, 32) : frame.AsSpan(network + 12, 8)) + (ulong)protocol + (ulong)bytes;

    private static ulong Sum(ReadOnlySpan<byte> bytes)
    {
        ulong sum = 0;
        for (int i = 0; i < bytes.Length; i++) sum += (ulong)bytes[i] << (i % 2 == 0 ? 8 : 0);
        return sum;
    }

    private static ushort Fold(ulong sum)
    {
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)sum;
    }
}
