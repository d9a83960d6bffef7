using System.Runtime.InteropServices;

namespace Vmm.Host.Native;

/// <summary>Unix sockets.</summary>
internal static unsafe partial class Libc
{
    public const int AF_UNIX = 1;
    public const int SOCK_STREAM = 1;
    public const int SOCK_SEQPACKET = 5;
    public const int SOCK_NONBLOCK = O_NONBLOCK;
    public const int SOCK_CLOEXEC = O_CLOEXEC;
    public const int MSG_PEEK = 2;
    public const int MSG_TRUNC = 0x20;
    public const int MSG_NOSIGNAL = 0x4000;
    public const int MSG_CTRUNC = 8;
    public const int MSG_CMSG_CLOEXEC = 0x4000_0000;
    public const int SCM_RIGHTS = 1;
    public const short POLLIN = 1;
    public const short POLLOUT = 4;
    public const int SHUT_RDWR = 2;
    public const short POLLERR = 8;
    public const short POLLHUP = 0x10;
    public const short POLLRDHUP = 0x2000;

    [LibraryImport(Library, EntryPoint = "socket", SetLastError = true)]
    public static partial int Socket(int family, int type, int protocol);

    [LibraryImport(Library, EntryPoint = "socketpair", SetLastError = true)]
    public static partial int SocketPair(int family, int type, int protocol, int* sockets);

    [LibraryImport(Library, EntryPoint = "bind", SetLastError = true)]
    public static partial int Bind(int fd, SockAddrUn* address, uint length);

    [LibraryImport(Library, EntryPoint = "connect", SetLastError = true)]
    public static partial int Connect(int fd, SockAddrUn* address, uint length);

    [LibraryImport(Library, EntryPoint = "listen", SetLastError = true)]
    public static partial int Listen(int fd, int backlog);

    [LibraryImport(Library, EntryPoint = "accept4", SetLastError = true)]
    public static partial int Accept4(int fd, nint address, nint length, int flags);

    [LibraryImport(Library, EntryPoint = "send", SetLastError = true)]
    public static partial nint Send(int fd, void* buffer, nuint count, int flags);

    [LibraryImport(Library, EntryPoint = "poll", SetLastError = true)]
    public static partial int Poll(PollFd* descriptors, nuint count, int timeoutMs);

    [LibraryImport(Library, EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unlink(string path);

    /// <summary><c>struct pollfd</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 8)]
    public struct PollFd
    {
        [FieldOffset(0)] public int Fd;
        [FieldOffset(4)] public short Wanted;
        [FieldOffset(6)] public short Returned;
    }

    /// <summary><c>struct sockaddr_un</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 110)]
    public struct SockAddrUn
    {
        /// <summary>Bytes of <see cref="Path"/>, with the terminating zero.</summary>
        public const int PathBytes = 108;

        [FieldOffset(0)] public ushort Family;
        [FieldOffset(2)] public fixed byte Path[PathBytes];
    }
}
