using System.Buffers.Binary;

namespace Vmm.Network.Netlink;

/// <summary>Changes what the kernel has told before it is told back.</summary>
internal static class NetlinkBytes
{
    /// <summary>The value of an attribute; empty where there is none.</summary>
    public static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> attributes, ushort wanted)
    {
        NetlinkAttributes walk = new(attributes);
        while (walk.Next(out ushort type, out ReadOnlySpan<byte> value))
        {
            if (type == wanted) return value;
        }

        return [];
    }

    /// <summary>An attribute that is a number of 32 bits.</summary>
    public static uint Number(ReadOnlySpan<byte> attributes, ushort wanted, uint otherwise)
        => Find(attributes, wanted) is { Length: >= sizeof(uint) } value ? BinaryPrimitives.ReadUInt32LittleEndian(value) : otherwise;

    /// <summary>Replaces the interface in a number that is one.</summary>
    public static void MapIndex(Span<byte> number, int from, int to)
    {
        if (BinaryPrimitives.ReadInt32LittleEndian(number) == from) BinaryPrimitives.WriteInt32LittleEndian(number, to);
    }
}
