using System.Buffers.Binary;
using System.Text;

namespace Vmm.Network.Capture;

/// <summary>Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian, one Ethernet interface, times in nanoseconds.</summary>
internal static class PcapNg
{
    /// <summary>Bytes of a packet's block beside the packet, padding included.</summary>
    public const int MostPacketOverhead = PacketHeadBytes + 3 + PacketTailBytes;

    private const int StatisticsBytes = 20 + 12 + 12 + 4 + 4;

    private const uint SectionHeaderBlock = 0x0a0d0d0a, InterfaceDescriptionBlock = 1, InterfaceStatisticsBlock = 5, EnhancedPacketBlock = 6;
    private const uint ByteOrderMagic = 0x1a2b3c4d;
    private const ushort LINKTYPE_ETHERNET = 1;
    private const ushort opt_endofopt = 0, if_name = 2, if_tsresol = 9, epb_flags = 2, isb_ifrecv = 4, isb_ifdrop = 5;
    private const byte Nanoseconds = 9;
    private const int PacketHeadBytes = 28, PacketTailBytes = 16;

    /// <summary>What the file begins with.</summary>
    /// <param name="name">The interface's name.</param>
    /// <param name="snapLength">The most bytes that are kept of a packet.</param>
    public static byte[] Header(string name, int snapLength)
    {
        byte[] text = Encoding.UTF8.GetBytes(name);
        int nameBytes = Pad(text.Length);
        byte[] bytes = new byte[28 + 16 + 4 + nameBytes + 8 + 4 + 4];
        Span<byte> rest = bytes;
        Put(ref rest, SectionHeaderBlock, 28, ByteOrderMagic, 1, uint.MaxValue, uint.MaxValue, 28);
        uint length = (uint)rest.Length;
        Put(ref rest, InterfaceDescriptionBlock, length, LINKTYPE_ETHERNET, (uint)snapLength, Option(if_name, text.Length));
        text.CopyTo(rest);
        rest = rest[nameBytes..];
        Put(ref rest, Option(if_tsresol, 1), Nanoseconds, opt_endofopt, length);
        return bytes;
    }

    /// <summary>Bytes of the block of a packet.</summary>
    public static int PacketBytes(int captured) => PacketHeadBytes + Pad(captured) + PacketTailBytes;

    /// <summary>Writes the block of a packet around its bytes.</summary>
    /// <param name="block">Of <see cref="PacketBytes"/>.</param>
    /// <param name="timeNs">Nanoseconds since 1970.</param>
    /// <param name="captured">Bytes that are kept.</param>
    /// <param name="original">Bytes that there were.</param>
    /// <param name="direction">Which way it went.</param>
    /// <returns>Where the kept bytes go.</returns>
    public static Span<byte> Packet(Span<byte> block, ulong timeNs, int captured, int original, CaptureDirection direction)
    {
        Span<byte> rest = block;
        Put(ref rest, EnhancedPacketBlock, (uint)block.Length, 0, (uint)(timeNs >> 32), (uint)timeNs, (uint)captured, (uint)original);
        Span<byte> data = rest[..captured];
        rest[captured..Pad(captured)].Clear();
        rest = rest[Pad(captured)..];
        Put(ref rest, Option(epb_flags, sizeof(uint)), (uint)direction, opt_endofopt, (uint)block.Length);
        return data;
    }

    /// <summary>The block with the counts, for the end.</summary>
    public static byte[] Statistics(ulong timeNs, ulong received, ulong dropped)
    {
        byte[] bytes = new byte[StatisticsBytes];
        Span<byte> rest = bytes;
        Put(ref rest, InterfaceStatisticsBlock, (uint)bytes.Length, 0, (uint)(timeNs >> 32), (uint)timeNs);
        Put(ref rest, Option(isb_ifrecv, sizeof(ulong)), (uint)received, (uint)(received >> 32));
        Put(ref rest, Option(isb_ifdrop, sizeof(ulong)), (uint)dropped, (uint)(dropped >> 32), opt_endofopt, (uint)bytes.Length);
        return bytes;
    }

    private static int Pad(int bytes) => (bytes + 3) & ~3;

    private static uint Option(ushort code, int bytes) => code | ((uint)bytes << 16);

    private static void Put(ref Span<byte> rest, params ReadOnlySpan<uint> words)
    {
        foreach (uint word in words)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(rest, word);
            rest = rest[sizeof(uint)..];
        }
    }
}
