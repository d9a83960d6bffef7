using System.Buffers.Binary;

namespace Vmm.Network.User.Packets;

/// <summary>An Ethernet address in the low 48 bits.</summary>
internal readonly record struct MacAddress(ulong Value)
{
    public const int Bytes = 6;

    private const ulong GroupBit = 1ul << 40;
    private const ulong OwnPrefix = 0x5255ul << 32; // locally administered, and the same in every run

    public static readonly MacAddress Broadcast = new((1ul << 48) - 1);

    public bool IsGroup => (Value & GroupBit) != 0;

    /// <summary>The address of one of our own machines, made from its IP address.</summary>
    public static MacAddress Own(Ipv4Address address) => new(OwnPrefix | address.Value);

    public static MacAddress Read(ReadOnlySpan<byte> from)
        => new(((ulong)BinaryPrimitives.ReadUInt16BigEndian(from) << 32) | BinaryPrimitives.ReadUInt32BigEndian(from[2..]));

    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteUInt16BigEndian(to, (ushort)(Value >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(to[2..], (uint)Value);
    }
}
