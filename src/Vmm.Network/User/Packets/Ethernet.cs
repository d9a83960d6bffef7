using System.Buffers.Binary;
using Vmm.Core.Backends;

namespace Vmm.Network.User.Packets;

/// <summary>The Ethernet II header.</summary>
internal static class Ethernet
{
    public const int HeaderBytes = 14;
    public const ushort ETHERTYPE_IP = 0x0800;
    public const ushort ETHERTYPE_ARP = 0x0806;
    public const ushort ETHERTYPE_IPV6 = 0x86dd;

    private const int TypeAt = 12;

    public static ushort Type(ReadOnlySpan<byte> frame) => BinaryPrimitives.ReadUInt16BigEndian(frame[TypeAt..]);

    public static MacAddress Destination(ReadOnlySpan<byte> frame) => MacAddress.Read(frame);

    public static MacAddress Source(ReadOnlySpan<byte> frame) => MacAddress.Read(frame[MacAddress.SizeBytes..]);

    public static void Write(Span<byte> to, MacAddress destination, MacAddress source, ushort type)
    {
        destination.Write(to);
        source.Write(to[MacAddress.SizeBytes..]);
        BinaryPrimitives.WriteUInt16BigEndian(to[TypeAt..], type);
    }
}
