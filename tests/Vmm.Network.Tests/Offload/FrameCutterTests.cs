using System.Buffers.Binary;
using CsCheck;
using Vmm.Core.Backends;
using Vmm.Network.Offload;

namespace Vmm.Network.Tests.Offload;

public class FrameCutterTests
{
    [Theory]
    [InlineData(false, Packets.Tcp, 10_000, 1448, false)]
    [InlineData(true, Packets.Tcp, 60_000, 1428, false)]
    [InlineData(false, Packets.Tcp, 1448, 1448, true)]
    [InlineData(true, Packets.Tcp, 1, 1000, true)]
    [InlineData(false, Packets.Udp, 9000, 1000, false)]
    [InlineData(true, Packets.Udp, 9001, 1000, true)]
    public void Cut_LongFrame_WholeOnesInOrder(bool isV6, int protocol, int payload, int segment, bool hasTag)
    {
        (NetHeader header, byte[] frame) = Packets.Long(isV6, protocol, payload, (ushort)segment, hasTag: hasTag);
        List<byte[]> pieces = Cut(header, frame)!;
        Assert.Equal((payload + segment - 1) / segment, pieces.Count);
        Assert.All(pieces, piece => Assert.True(Packets.IsRight(piece)));
        Assert.Equal(frame[header.HeaderLength..], pieces.SelectMany(piece => piece[header.HeaderLength..]));
    }

    [Fact]
    public void Cut_Tcp_SequenceAndFlags()
    {
        // FIN, PSH, ACK, CWR: the first two end the last piece, the last begins the first.
        (NetHeader header, byte[] frame) = Packets.Long(isV6: false, Packets.Tcp, 3000, 1000, tcpFlags: 0x99);
        List<byte[]> pieces = Cut(header, frame)!;
        Assert.Equal([0x90, 0x10, 0x19], pieces.Select(piece => piece[34 + 13]));
        Assert.Equal([0xffff_fff0u, 0x3d8u, 0x7c0u], pieces.Select(piece => BinaryPrimitives.ReadUInt32BigEndian(piece.AsSpan(38))));
        Assert.Equal([0xfffe, 0xffff, 0], pieces.Select(piece => (int)BinaryPrimitives.ReadUInt16BigEndian(piece.AsSpan(18))));
    }

    [Fact]
    public void Cut_HeaderThatDoesNotFitTheFrame_Refused()
    {
        (NetHeader header, byte[] frame) = Packets.Long(isV6: false, Packets.Tcp, 3000, 1000);
        Assert.Null(Cut(header with { Segmentation = NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV6 }, frame));
        Assert.Null(Cut(header with { Segmentation = NetSegmentation.VIRTIO_NET_HDR_GSO_UDP_L4 }, frame));
        Assert.Null(Cut(header, frame[..60]));
        frame[34 + 12] = 0x40;
        Assert.Null(Cut(header, frame));
        frame[34 + 12] = 0xf0;
        Assert.NotNull(Cut(header, frame));
        frame[14] = 0x44;
        Assert.Null(Cut(header, frame));
    }

    [Fact]
    public void Cut_AnyBytes_NeverThrowsAndStaysWithinItsPromise()
    {
        (NetHeader header, byte[] frame) = Packets.Long(isV6: true, Packets.Tcp, 2000, 700);
        NetSegmentation[] kinds = [header.Segmentation, NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV4, NetSegmentation.VIRTIO_NET_HDR_GSO_UDP_L4, (NetSegmentation)0x81];
        Gen.Select(Gen.Int[0, 80], Gen.Byte, Gen.Int[0, frame.Length], Gen.UShort[1, 3000], Gen.Int[0, 3]).Sample((at, value, length, size, kind) =>
        {
            byte[] bytes = frame[..length];
            if (at < bytes.Length) bytes[at] = value;
            NetHeader asked = header with { SegmentSize = size, Segmentation = kinds[kind] };
            if (!FrameCutter.TryBegin(bytes, asked, out FrameCutter cutter)) return;
            int promised = cutter.TotalBytes, total = 0;
            byte[] to = new byte[65536];
            while (cutter.TryNext(to, out int count)) total += count;
            Assert.True(total <= promised, $"{total} > {promised}");
        }, iter: 20_000);
    }

    [Theory]
    [InlineData(Packets.Tcp)]
    [InlineData(Packets.Udp)]
    public void Complete_Frame_ChecksumRight(int protocol)
    {
        for (int payload = 0; payload < 40; payload++)
        {
            (NetHeader header, byte[] frame) = Packets.Long(isV6: false, protocol, payload, 1);
            Assert.False(FrameChecksums.AreRight(frame));
            FrameChecksums.Complete(frame, header);
            Assert.True(Packets.IsRight(frame) && FrameChecksums.AreRight(frame));
            frame[^1] ^= 1;
            Assert.False(FrameChecksums.AreRight(frame));
        }
    }

    private static List<byte[]>? Cut(NetHeader header, byte[] frame)
    {
        if (!FrameCutter.TryBegin(frame, header, out FrameCutter cutter)) return null;
        List<byte[]> pieces = [];
        byte[] to = new byte[65536];
        while (cutter.TryNext(to, out int count)) pieces.Add(to[..count]);
        return pieces;
    }
}
