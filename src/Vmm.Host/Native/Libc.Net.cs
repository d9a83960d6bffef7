using System.Runtime.InteropServices;
using Vmm.Core.Memory;

namespace Vmm.Host.Native;

/// <summary>TAP devices (linux/if_tun.h) and netlink(7).</summary>
internal static unsafe partial class Libc
{
    public const nuint TUNSETIFF = 0x4004_54ca;
    public const nuint TUNGETFEATURES = 0x8004_54cf;
    public const nuint TUNSETOFFLOAD = 0x4004_54d0;
    public const nuint TUNGETIFF = 0x8004_54d2;
    public const nuint TUNSETVNETHDRSZ = 0x4004_54d8;
    public const nuint TUNSETQUEUE = 0x4004_54d9;

    public const int IFF_TAP = 2;
    public const int IFF_MULTI_QUEUE = 0x100;
    public const int IFF_ATTACH_QUEUE = 0x200;
    public const int IFF_DETACH_QUEUE = 0x400;
    public const int IFF_NO_PI = 0x1000;
    public const int IFF_VNET_HDR = 0x4000;

    public const int AF_NETLINK = 16;
    public const int NETLINK_ROUTE = 0;
    public const int SOL_NETLINK = 270;
    public const int NETLINK_EXT_ACK = 11;
    public const int NETLINK_GET_STRICT_CHK = 12;
    public const int SO_RCVTIMEO = 20;

    [LibraryImport(Library, EntryPoint = "readv", SetLastError = true)]
    public static partial nint Readv(int fd, IoVec* vectors, int count);

    [LibraryImport(Library, EntryPoint = "writev", SetLastError = true)]
    public static partial nint Writev(int fd, IoVec* vectors, int count);

    [LibraryImport(Library, EntryPoint = "bind", SetLastError = true)]
    public static partial int Bind(int fd, SockAddrNl* address, uint length);

    /// <summary><c>struct ifreq</c>, as far as TAP devices use it.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 40)]
    public struct IfReq
    {
        /// <summary>Bytes of a name, with the terminating zero.</summary>
        public const int NameBytes = 16;

        [FieldOffset(0)] public fixed byte Name[NameBytes];
        [FieldOffset(16)] public ushort Flags;
    }

    /// <summary><c>struct sockaddr_nl</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 12)]
    public struct SockAddrNl
    {
        [FieldOffset(0)] public ushort Family;
        [FieldOffset(4)] public uint PortId;
        [FieldOffset(8)] public uint Groups;
    }

    /// <summary><c>struct timeval</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 16)]
    public struct TimeVal
    {
        [FieldOffset(0)] public long Seconds;
        [FieldOffset(8)] public long Microseconds;
    }
}
