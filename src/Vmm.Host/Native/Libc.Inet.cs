using System.Runtime.InteropServices;
using Vmm.Core.Memory;

namespace Vmm.Host.Native;

/// <summary>Internet sockets: ip(7), ipv6(7), tcp(7), udp(7), icmp(7).</summary>
internal static unsafe partial class Libc
{
    public const int AF_INET = 2;
    public const int AF_INET6 = 10;
    public const int SOCK_DGRAM = 2;
    public const int SOCK_RAW = 3;
    public const int IPPROTO_IP = 0;
    public const int IPPROTO_ICMP = 1;
    public const int IPPROTO_TCP = 6;
    public const int IPPROTO_IPV6 = 41;
    public const int IPPROTO_ICMPV6 = 58;

    public const int SOL_SOCKET = 1;
    public const int SO_REUSEADDR = 2;
    public const int SO_ERROR = 4;
    public const int SO_BROADCAST = 6;
    public const int SO_KEEPALIVE = 9;
    public const int SO_LINGER = 13;
    public const int SO_BINDTODEVICE = 25;
    public const int TCP_NODELAY = 1;
    public const int IP_TTL = 2;
    public const int IP_MTU_DISCOVER = 10;
    public const int IP_RECVERR = 11;
    public const int IP_PMTUDISC_DONT = 0;
    public const int SOL_RAW = 255;
    public const int ICMP_FILTER = 1;
    public const int IPV6_UNICAST_HOPS = 16;
    public const int IPV6_MTU_DISCOVER = 23;
    public const int IPV6_RECVERR = 25;
    public const int IPV6_V6ONLY = 26;
    public const int ICMPV6_FILTER = 1;
    public const int ICMP6_ECHO_REPLY = 129;

    /// <summary>Words of <c>struct icmp6_filter</c>.</summary>
    public const int Icmp6FilterWords = 8;

    public const int SHUT_WR = 1;
    public const int MSG_ERRQUEUE = 0x2000;
    public const int MSG_DONTWAIT = 0x40;

    /// <summary>The origin of a <c>sock_extended_err</c> that an ICMP message caused.</summary>
    public const byte SO_EE_ORIGIN_ICMP = 2;

    /// <summary>The same of ICMPv6.</summary>
    public const byte SO_EE_ORIGIN_ICMP6 = 3;

    [LibraryImport(Library, EntryPoint = "bind", SetLastError = true)]
    public static partial int Bind(int fd, SockAddrInet* address, uint length);

    [LibraryImport(Library, EntryPoint = "connect", SetLastError = true)]
    public static partial int Connect(int fd, SockAddrInet* address, uint length);

    [LibraryImport(Library, EntryPoint = "accept4", SetLastError = true)]
    public static partial int Accept4(int fd, SockAddrInet* address, uint* length, int flags);

    [LibraryImport(Library, EntryPoint = "getsockname", SetLastError = true)]
    public static partial int GetSockName(int fd, SockAddrInet* address, uint* length);

    [LibraryImport(Library, EntryPoint = "getsockopt", SetLastError = true)]
    public static partial int GetSockOpt(int fd, int level, int option, void* value, uint* length);

    [LibraryImport(Library, EntryPoint = "setsockopt", SetLastError = true)]
    public static partial int SetSockOpt(int fd, int level, int option, void* value, uint length);

    [LibraryImport(Library, EntryPoint = "shutdown", SetLastError = true)]
    public static partial int Shutdown(int fd, int how);

    [LibraryImport(Library, EntryPoint = "sendmsg", SetLastError = true)]
    public static partial nint Sendmsg(int fd, MsgHdr* message, int flags);

    [LibraryImport(Library, EntryPoint = "recvmsg", SetLastError = true)]
    public static partial nint Recvmsg(int fd, MsgHdr* message, int flags);

    [LibraryImport(Library, EntryPoint = "recv", SetLastError = true)]
    public static partial nint Recv(int fd, void* buffer, nuint count, int flags);

    /// <summary><c>struct msghdr</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 56)]
    public struct MsgHdr
    {
        [FieldOffset(0)] public void* Name;
        [FieldOffset(8)] public uint NameBytes;
        [FieldOffset(16)] public IoVec* Vectors;
        [FieldOffset(24)] public nuint VectorCount;
        [FieldOffset(32)] public void* Control;
        [FieldOffset(40)] public nuint ControlBytes;
        [FieldOffset(48)] public int Flags;
    }

    /// <summary><c>struct cmsghdr</c>; the data follow.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 16)]
    public struct CMsgHdr
    {
        [FieldOffset(0)] public nuint Bytes;
        [FieldOffset(8)] public int Level;
        [FieldOffset(12)] public int Type;
    }

    /// <summary><c>struct sock_extended_err</c>, followed by the address of who reported (SO_EE_OFFENDER).</summary>
    [StructLayout(LayoutKind.Explicit, Size = 16)]
    public struct SockExtendedErr
    {
        [FieldOffset(0)] public uint Errno;
        [FieldOffset(4)] public byte Origin;
        [FieldOffset(5)] public byte Type;
        [FieldOffset(6)] public byte Code;
        [FieldOffset(8)] public uint Info;
        [FieldOffset(12)] public uint Data;
    }

    /// <summary><c>struct linger</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 8)]
    public struct Linger
    {
        [FieldOffset(0)] public int OnOff;
        [FieldOffset(4)] public int Seconds;
    }

    /// <summary><c>struct sockaddr_in</c> and <c>struct sockaddr_in6</c> over each other. Port and addresses are in network order.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 28)]
    public struct SockAddrInet
    {
        /// <summary>Bytes of <c>struct sockaddr_in</c>.</summary>
        public const uint V4Bytes = 16;

        /// <summary>Bytes of <c>struct sockaddr_in6</c>.</summary>
        public const uint V6Bytes = 28;

        [FieldOffset(0)] public ushort Family;
        [FieldOffset(2)] public ushort Port;
        [FieldOffset(4)] public uint V4Address;
        [FieldOffset(8)] public fixed byte V6Address[16];
        [FieldOffset(24)] public uint ScopeId;
    }
}
