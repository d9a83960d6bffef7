using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Vmm.Network;

/// <summary>An address of IPv4 or IPv6. One of IPv4 stands here as IPv6 maps it: ::ffff:10.0.2.15 (RFC 4291 §2.5.5.2).</summary>
/// <param name="Value">In the order of the digits.</param>
public readonly record struct IpAddress(UInt128 Value)
{
    /// <summary>Bytes of an IPv6 address.</summary>
    public const int V6Bytes = 16;

    private const int V4Bits = 32;
    private const uint V4Mark = 0xffff;
    private const int LinkLocalShift = 118;
    private const uint LinkLocalMark = 0xfe80 >> 6;
    private const int FirstByteShift = 120;
    private const byte MulticastByte = 0xff;

    /// <summary>Whether it is one of IPv4.</summary>
    public bool IsV4 => Value >> V4Bits == V4Mark;

    /// <summary>The address of IPv4.</summary>
    public Ipv4Address V4 => new((uint)Value);

    /// <summary>No address: :: or 0.0.0.0.</summary>
    public bool IsUnspecified => Value == UInt128.Zero || Value == (UInt128)V4Mark << V4Bits;

    /// <summary>Good on one wire only: fe80::/10.</summary>
    public bool IsLinkLocal => (uint)(Value >> LinkLocalShift) == LinkLocalMark;

    /// <summary>An address of many machines.</summary>
    public bool IsMulticast => IsV4 ? V4.IsMulticast : (byte)(Value >> FirstByteShift) == MulticastByte;

    /// <summary>True where no single machine beyond this wire can be: none, loopback, multicast, the wire's own and, of IPv4, what is reserved.</summary>
    public bool IsNoHost => IsV4 ? V4.IsNoHost : Value >> V4Bits == UInt128.Zero || IsMulticast || IsLinkLocal;

    /// <summary>One of IPv4 as one of either kind.</summary>
    public static implicit operator IpAddress(Ipv4Address address) => FromV4(address.Value);

    /// <summary>An address of IPv4.</summary>
    public static IpAddress FromV4(uint value) => new((UInt128)V4Mark << V4Bits | value);

    /// <summary>Reads sixteen bytes of a packet.</summary>
    public static IpAddress Read(ReadOnlySpan<byte> from) => new(BinaryPrimitives.ReadUInt128BigEndian(from));

    /// <summary>Writes sixteen bytes into a packet.</summary>
    public void Write(Span<byte> to) => BinaryPrimitives.WriteUInt128BigEndian(to, Value);

    /// <summary>Reads an address as people write it: of IPv4 four plain numbers, of IPv6 without brackets and scope.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out IpAddress address)
    {
        bool isV4 = Ipv4Address.TryParse(text, out Ipv4Address v4);
        address = isV4 ? v4 : default;
        if (isV4) return true;
        if (text.Contains('%') || text.Contains('[') || !IPAddress.TryParse(text, out IPAddress? parsed) || parsed.AddressFamily != AddressFamily.InterNetworkV6) return false;
        Span<byte> bytes = stackalloc byte[V6Bytes];
        parsed.TryWriteBytes(bytes, out _);
        address = Read(bytes);
        return !address.IsV4;
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        if (IsV4) return V4.ToString();
        Span<byte> bytes = stackalloc byte[V6Bytes];
        Write(bytes);
        return new IPAddress(bytes).ToString();
    }
}
