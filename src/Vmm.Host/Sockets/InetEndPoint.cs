using System.Buffers.Binary;
using System.Net;
using Vmm.Host.Native;

namespace Vmm.Host.Sockets;

/// <summary>An internet address and port, without garbage.</summary>
/// <param name="Address">In the order of the digits: 127.0.0.1 is 0x7f000001.</param>
/// <param name="Port">Host byte order.</param>
/// <param name="IsIPv6">Says which kind of address it is.</param>
public readonly record struct InetEndPoint(UInt128 Address, ushort Port, bool IsIPv6)
{
    private const uint LoopbackV4 = 0x7f000000;
    private const uint LoopbackV4Mask = 0xff000000;

    /// <summary>An IPv4 address and port.</summary>
    public static InetEndPoint V4(uint address, ushort port) => new(address, port, IsIPv6: false);

    /// <summary>The address of an IPv4 end point.</summary>
    public uint AddressV4 => (uint)Address;

    /// <summary>True for 127.0.0.0/8 and ::1.</summary>
    public bool IsLoopback => IsIPv6 ? Address == UInt128.One : (AddressV4 & LoopbackV4Mask) == LoopbackV4;

    /// <summary>Takes over what the system's parser read.</summary>
    public static InetEndPoint From(IPAddress address, ushort port)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int count);
        return count == sizeof(uint)
            ? V4(BinaryPrimitives.ReadUInt32BigEndian(bytes), port)
            : new(BinaryPrimitives.ReadUInt128BigEndian(bytes), port, IsIPv6: true);
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, Address);
        return IsIPv6 ? $"[{new IPAddress(bytes)}]:{Port}" : $"{new IPAddress(bytes[^sizeof(uint)..])}:{Port}";
    }

    internal unsafe Libc.SockAddrInet ToNative(out uint bytes)
    {
        Libc.SockAddrInet native = new() { Port = BinaryPrimitives.ReverseEndianness(Port) };
        if (!IsIPv6)
        {
            native.Family = Libc.AF_INET;
            native.V4Address = BinaryPrimitives.ReverseEndianness(AddressV4);
            bytes = Libc.SockAddrInet.V4Bytes;
            return native;
        }

        native.Family = Libc.AF_INET6;
        // SAFETY: the field has the sixteen bytes.
        BinaryPrimitives.WriteUInt128BigEndian(new Span<byte>(native.V6Address, 16), Address);
        bytes = Libc.SockAddrInet.V6Bytes;
        return native;
    }

    internal static unsafe InetEndPoint FromNative(in Libc.SockAddrInet native)
    {
        ushort port = BinaryPrimitives.ReverseEndianness(native.Port);
        if (native.Family != Libc.AF_INET6) return V4(BinaryPrimitives.ReverseEndianness(native.V4Address), port);
        Libc.SockAddrInet copy = native;
        // SAFETY: the field has the sixteen bytes.
        return new(BinaryPrimitives.ReadUInt128BigEndian(new ReadOnlySpan<byte>(copy.V6Address, 16)), port, IsIPv6: true);
    }
}
