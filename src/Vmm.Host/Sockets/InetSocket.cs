using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host.Sockets;

/// <summary>
/// A non-blocking internet socket. What the network or the peer does comes back as a <see cref="SocketStatus"/>; nothing here throws for
/// it, and transfers allocate nothing. One thread at a time.
/// </summary>
public sealed unsafe partial class InetSocket : IDisposable
{
    private const int Backlog = 128;

    private readonly LinuxFile _file;

    // -1 once closed: another file may have the number then.
    private int _fd;

    private bool _isIPv6;

    private InetSocket(int fd)
    {
        _file = new LinuxFile(fd);
        _fd = fd;
    }

    /// <summary>The descriptor's number, for the event loop.</summary>
    public int Fd => _file.Fd;

    /// <summary>Where the socket is bound.</summary>
    public InetEndPoint LocalEndPoint
    {
        get
        {
            Libc.SockAddrInet address = default;
            uint length = Libc.SockAddrInet.V6Bytes;
            // SAFETY: locals that outlive the call.
            return Libc.GetSockName(_fd, &address, &length) == 0 ? InetEndPoint.FromNative(address) : default;
        }
    }

    /// <summary>Whether this process may send ICMP echoes without privilege.</summary>
    public static bool HasEcho
    {
        get
        {
            SocketStatus status = TryOpen(SocketKind.Echo, ipv6: false, out InetSocket? socket);
            socket?.Dispose();
            return status == SocketStatus.Ok;
        }
    }

    /// <summary>Makes a socket.</summary>
    /// <param name="kind">What it speaks.</param>
    /// <param name="ipv6">The family.</param>
    /// <param name="socket">The socket, null when the status is not Ok.</param>
    public static SocketStatus TryOpen(SocketKind kind, bool ipv6, out InetSocket? socket)
    {
        (int type, int protocol) = kind switch
        {
            SocketKind.Stream => (Libc.SOCK_STREAM, 0),
            SocketKind.Datagram => (Libc.SOCK_DGRAM, 0),
            SocketKind.Echo => (Libc.SOCK_DGRAM, ipv6 ? Libc.IPPROTO_ICMPV6 : Libc.IPPROTO_ICMP),
            _ => (Libc.SOCK_RAW, ipv6 ? Libc.IPPROTO_ICMPV6 : Libc.IPPROTO_ICMP),
        };
        int fd = Libc.Socket(ipv6 ? Libc.AF_INET6 : Libc.AF_INET, type | Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK, protocol);
        socket = fd < 0 ? null : new InetSocket(fd) { _isIPv6 = ipv6 };
        return fd < 0 ? LastStatus() : SocketStatus.Ok;
    }

    /// <summary>Begins to connect a stream; Pending is the usual answer, and then writable says that <see cref="TakeError"/> knows more.</summary>
    public SocketStatus Connect(in InetEndPoint remote)
    {
        Libc.SockAddrInet address = remote.ToNative(out uint bytes);
        // SAFETY: a local that outlives the call.
        return Libc.Connect(_fd, &address, bytes) == 0 ? SocketStatus.Ok : LastStatus();
    }

    /// <summary>Takes a local address.</summary>
    /// <param name="local">Port 0 lets the kernel choose.</param>
    /// <param name="reuse">An address in which only old connections linger may be taken.</param>
    public SocketStatus Bind(in InetEndPoint local, bool reuse)
    {
        if (reuse) SetOption(Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        // All addresses of IPv6 are not all of IPv4 as well, which may have a socket of their own.
        if (local.IsIPv6) SetOption(Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, 1);
        Libc.SockAddrInet address = local.ToNative(out uint bytes);
        // SAFETY: a local that outlives the call.
        return Libc.Bind(_fd, &address, bytes) == 0 ? SocketStatus.Ok : LastStatus();
    }

    /// <summary>Lets peers connect.</summary>
    public SocketStatus Listen() => Libc.Listen(_fd, Backlog) == 0 ? SocketStatus.Ok : LastStatus();

    /// <summary>Takes a waiting connection.</summary>
    /// <returns>Pending when there is none.</returns>
    public SocketStatus TryAccept(out InetSocket? socket, out InetEndPoint peer)
    {
        Libc.SockAddrInet address = default;
        uint length = Libc.SockAddrInet.V6Bytes;
        // SAFETY: locals that outlive the call.
        int fd = Libc.Accept4(_fd, &address, &length, Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK);
        socket = fd < 0 ? null : new InetSocket(fd);
        peer = fd < 0 ? default : InetEndPoint.FromNative(address);
        return fd < 0 ? LastStatus() : SocketStatus.Ok;
    }

    /// <summary>Takes the error that happened between calls (SO_ERROR).</summary>
    public SocketStatus TakeError()
    {
        int error = 0;
        uint length = sizeof(int);
        // SAFETY: locals that outlive the call.
        if (Libc.GetSockOpt(_fd, Libc.SOL_SOCKET, Libc.SO_ERROR, &error, &length) != 0) return LastStatus();
        return error == 0 ? SocketStatus.Ok : StatusOf(error);
    }

    /// <summary>Says that no more will be sent; the peer can go on.</summary>
    public SocketStatus ShutdownWrite() => Libc.Shutdown(_fd, Libc.SHUT_WR) == 0 ? SocketStatus.Ok : LastStatus();

    /// <summary>Makes the close tell the peer by a reset, and drop what was not sent.</summary>
    public void ResetOnClose()
    {
        Libc.Linger linger = new() { OnOff = 1 };
        // SAFETY: a local that outlives the call.
        _ = Libc.SetSockOpt(_fd, Libc.SOL_SOCKET, Libc.SO_LINGER, &linger, (uint)sizeof(Libc.Linger));
    }

    /// <summary>Sends small segments at once, and finds out when an idle peer has died.</summary>
    public void TuneStream()
    {
        SetOption(Libc.IPPROTO_TCP, Libc.TCP_NODELAY, 1);
        SetOption(Libc.SOL_SOCKET, Libc.SO_KEEPALIVE, 1);
    }

    /// <summary>Keeps ICMP errors for <see cref="TryReceiveError"/>, and lets datagrams be fragmented on their way.</summary>
    public void TuneDatagrams()
    {
        SetOption(_isIPv6 ? Libc.IPPROTO_IPV6 : Libc.IPPROTO_IP, _isIPv6 ? Libc.IPV6_RECVERR : Libc.IP_RECVERR, 1);
        SetOption(_isIPv6 ? Libc.IPPROTO_IPV6 : Libc.IPPROTO_IP, _isIPv6 ? Libc.IPV6_MTU_DISCOVER : Libc.IP_MTU_DISCOVER, Libc.IP_PMTUDISC_DONT);
    }

    /// <summary>Lets only echo replies in (a raw socket gets every ICMP message else).</summary>
    public void FilterEchoReplies()
    {
        if (!_isIPv6)
        {
            SetOption(Libc.SOL_RAW, Libc.ICMP_FILTER, ~1);
            return;
        }

        // One bit for each type that is kept out (RFC 3542 §3.2).
        uint* blocked = stackalloc uint[Libc.Icmp6FilterWords];
        for (int i = 0; i < Libc.Icmp6FilterWords; i++) blocked[i] = uint.MaxValue;
        blocked[Libc.ICMP6_ECHO_REPLY / 32] &= ~(1u << Libc.ICMP6_ECHO_REPLY % 32);
        // SAFETY: a local that outlives the call.
        _ = Libc.SetSockOpt(_fd, Libc.IPPROTO_ICMPV6, Libc.ICMPV6_FILTER, blocked, sizeof(uint) * Libc.Icmp6FilterWords);
    }

    /// <summary>How many routers may pass on what is sent from now on.</summary>
    public void SetTimeToLive(byte hops) => SetOption(_isIPv6 ? Libc.IPPROTO_IPV6 : Libc.IPPROTO_IP, _isIPv6 ? Libc.IPV6_UNICAST_HOPS : Libc.IP_TTL, hops);

    /// <summary>Lets datagrams go to all of a network.</summary>
    public void AllowBroadcast() => SetOption(Libc.SOL_SOCKET, Libc.SO_BROADCAST, 1);

    /// <summary>Takes and sends through one interface alone. Needs CAP_NET_RAW before Linux 5.7.</summary>
    public SocketStatus BindToDevice(string name)
    {
        byte[] bytes = System.Text.Encoding.ASCII.GetBytes(name);
        fixed (byte* start = bytes)
        {
            // SAFETY: the array is pinned for the call.
            return Libc.SetSockOpt(_fd, Libc.SOL_SOCKET, Libc.SO_BINDTODEVICE, start, (uint)bytes.Length) == 0 ? SocketStatus.Ok : LastStatus();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _fd = -1;
        _file.Dispose();
    }

    private void SetOption(int level, int option, int value)
        // SAFETY: a local that outlives the call. A refused option only makes things slower or less precise.
        => _ = Libc.SetSockOpt(_fd, level, option, &value, sizeof(int));

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static SocketStatus LastStatus() => StatusOf(Marshal.GetLastPInvokeError());

    private static SocketStatus StatusOf(int errno) => errno switch
    {
        Errno.EAGAIN or Errno.EINPROGRESS => SocketStatus.Pending,
        Errno.ECONNREFUSED => SocketStatus.Refused,
        Errno.ECONNRESET or Errno.EPIPE => SocketStatus.Reset,
        Errno.EHOSTUNREACH => SocketStatus.HostUnreachable,
        Errno.ENETUNREACH or Errno.ENETDOWN => SocketStatus.NetUnreachable,
        Errno.ETIMEDOUT => SocketStatus.TimedOut,
        Errno.EMSGSIZE => SocketStatus.TooLong,
        Errno.EPERM or Errno.EACCES => SocketStatus.Denied,
        Errno.EADDRINUSE => SocketStatus.AddressInUse,
        Errno.EMFILE or Errno.ENFILE or Errno.ENOMEM or Errno.ENOBUFS or Errno.EADDRNOTAVAIL => SocketStatus.NoResources,
        _ => SocketStatus.Failed,
    };
}
