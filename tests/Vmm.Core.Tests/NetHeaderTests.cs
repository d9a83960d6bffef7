using Vmm.Core.Backends;

namespace Vmm.Core.Tests;

public class NetHeaderTests
{
    private const NetOffloads All = NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6 | NetOffloads.TsoEcn | NetOffloads.Uso;
    private const ulong FrameBytes = 2000;

    [Fact]
    public void ReadWrite_RoundTrip_Same()
    {
        NetHeader header = new(NetHeaderFlags.VIRTIO_NET_HDR_F_NEEDS_CSUM, NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV6, 0x102, 0x304, 0x506, 0x708, 0x90a);
        byte[] bytes = new byte[INetBackend.HeaderBytes];
        header.Write(bytes);
        Assert.Equal([1, 4, 2, 1, 4, 3, 6, 5, 8, 7, 0x0a, 9], bytes);
        Assert.Equal(header, NetHeader.Read(bytes));
    }

    [Theory]
    [InlineData(0, 0, 0, 0, 0, All, true)]
    [InlineData(0, 0, 9, 9, 9, NetOffloads.None, true)]
    [InlineData(1, 0, 0, 34, 16, NetOffloads.Checksum, true)]
    [InlineData(1, 0, 0, 34, 16, NetOffloads.None, false)]
    [InlineData(1, 0, 0, 13, 16, All, false)]
    [InlineData(1, 0, 0, 1990, 8, All, true)]
    [InlineData(1, 0, 0, 1990, 9, All, false)]
    [InlineData(1, 0, 0, 0xffff, 0xffff, All, false)]
    [InlineData(1, 1, 1448, 34, 16, All, true)]
    [InlineData(1, 1, 1448, 34, 16, NetOffloads.Checksum | NetOffloads.Tso6, false)]
    [InlineData(1, 1, 0, 34, 16, All, false)]
    [InlineData(0, 1, 1448, 34, 16, All, false)]
    [InlineData(1, 0x81, 1448, 34, 16, All, true)]
    [InlineData(1, 0x84, 1448, 54, 16, All & ~NetOffloads.TsoEcn, false)]
    [InlineData(1, 5, 1448, 34, 6, NetOffloads.Checksum | NetOffloads.Uso, true)]
    [InlineData(1, 0x85, 1448, 34, 6, All, false)]
    [InlineData(1, 3, 1448, 34, 6, All, false)]
    [InlineData(1, 2, 1448, 34, 6, All, false)]
    [InlineData(1, 0x80, 1448, 34, 6, All, false)]
    public void TryCheck_Header_Judged(byte flags, byte kind, ushort size, ushort start, ushort offset, NetOffloads agreed, bool isGood)
    {
        NetHeader header = new((NetHeaderFlags)flags, (NetSegmentation)kind, 54, size, start, offset);
        Assert.Equal(isGood, header.TryCheck(FrameBytes, agreed, out _));
    }

    [Theory]
    [InlineData(13, false)]
    [InlineData(14, true)]
    [InlineData(65553, true)]
    [InlineData(65554, false)]
    public void TryCheck_FrameLength_Bounded(ulong bytes, bool isGood) => Assert.Equal(isGood, default(NetHeader).TryCheck(bytes, All, out _));

    [Fact]
    public void TryCheck_UnknownFlagsAndHint_Cleaned()
    {
        NetHeader header = new((NetHeaderFlags)0xff, NetSegmentation.VIRTIO_NET_HDR_GSO_NONE, 9999, 77, 34, 16, 3);
        Assert.True(header.TryCheck(100, All, out NetHeader clean));
        Assert.Equal(new NetHeader(NetHeaderFlags.VIRTIO_NET_HDR_F_NEEDS_CSUM, 0, 100, 0, 34, 16), clean);
        Assert.True((header with { Flags = NetHeaderFlags.VIRTIO_NET_HDR_F_DATA_VALID }).TryCheck(100, All, out clean));
        Assert.Equal(default, clean);
    }
}
