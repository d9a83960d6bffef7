using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Core.Memory;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>
/// A connected Unix stream socket that carries descriptors beside bytes (unix(7), SCM_RIGHTS). Calls wait, up to a limit; nothing throws
/// because of the peer. One reading and one writing thread at a time; any thread may end it.
/// </summary>
public sealed unsafe class UnixChannel : IDisposable
{
    /// <summary>The most descriptors of one message.</summary>
    public const int MostDescriptors = 32;

    /// <summary>No limit to waiting.</summary>
    public const int Forever = -1;

    private readonly LinuxFile _file;
    private readonly int _fd;

    /// <param name="socket">Connected; becomes this object's.</param>
    public UnixChannel(LinuxFile socket)
    {
        _file = socket;
        _fd = socket.Fd;
        socket.SetNonBlocking(true);
    }

    /// <summary>The descriptor's number.</summary>
    public int Fd => _file.Fd;

    /// <summary>Two ends of one connection.</summary>
    /// <exception cref="LinuxException">No descriptor is free.</exception>
    public static (UnixChannel First, UnixChannel Second) Pair()
    {
        int* ends = stackalloc int[2];
        // SAFETY: room for two.
        if (Libc.SocketPair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, ends) != 0) throw LinuxException.FromLastError("making a pair of sockets");
        return (new(new LinuxFile(ends[0])), new(new LinuxFile(ends[1])));
    }

    /// <summary>Connects to a listening socket.</summary>
    /// <exception cref="LinuxException">Nobody listens there.</exception>
    public static UnixChannel Connect(string path) => new(UnixListener.Connect(path));

    /// <summary>Connects to a listening socket.</summary>
    /// <returns>Null when nobody listens there now.</returns>
    /// <exception cref="LinuxException">The path can never be one of a socket, or may not be used.</exception>
    public static UnixChannel? TryConnect(string path)
    {
        try
        {
            return Connect(path);
        }
        catch (LinuxException e) when (e.Error is Errno.ENOENT or Errno.ECONNREFUSED or Errno.EAGAIN)
        {
            return null;
        }
    }

    /// <summary>Takes over a connected socket that was handed down.</summary>
    /// <exception cref="LinuxException">It is no open descriptor.</exception>
    public static UnixChannel OfDescriptor(int fd)
    {
        if (Libc.Fcntl(fd, Libc.F_SETFD, Libc.FD_CLOEXEC) < 0) throw LinuxException.FromLastError($"using descriptor {fd}");
        return new UnixChannel(new LinuxFile(fd));
    }

    /// <summary>Sends all bytes; the descriptors go with the first of them and stay the caller's, too.</summary>
    /// <param name="timeoutMs">How long all of it may take.</param>
    /// <returns>False when the peer is gone or does not take all in time: the stream is of no use then.</returns>
    public bool TrySend(ReadOnlySpan<byte> bytes, ReadOnlySpan<int> descriptors, int timeoutMs)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(descriptors.Length, MostDescriptors, nameof(descriptors));
        long end = EndOf(timeoutMs);
        fixed (byte* start = bytes)
        {
            int sent = 0;
            while (sent < bytes.Length)
            {
                // SAFETY: the span is pinned for the call and the kernel reads at most what is left of it.
                nint count = SendSome(start + sent, bytes.Length - sent, sent == 0 ? descriptors : []);
                if (count > 0) sent += (int)count;
                else if (!MayRetry(Libc.POLLOUT, end)) return false;
            }
        }

        return true;
    }

    /// <summary>Takes exactly so many bytes, and the descriptors that come with them.</summary>
    /// <param name="into">To be filled.</param>
    /// <param name="descriptors">Takes the descriptors; the caller closes them, also after false.</param>
    /// <param name="timeoutMs">How long all of it may take.</param>
    /// <returns>False when the peer is gone or too slow, or more than <see cref="MostDescriptors"/> came.</returns>
    public bool TryReceive(Span<byte> into, List<LinuxFile> descriptors, int timeoutMs)
    {
        long end = EndOf(timeoutMs);
        fixed (byte* start = into)
        {
            int received = 0;
            while (received < into.Length)
            {
                // SAFETY: the span is pinned for the call and the kernel writes at most what is left of it.
                nint count = ReceiveSome(start + received, into.Length - received, descriptors, out bool isTruncated);
                if (isTruncated || descriptors.Count > MostDescriptors || count == 0) return false;
                if (count > 0) received += (int)count;
                else if (!MayRetry(Libc.POLLIN, end)) return false;
            }
        }

        return true;
    }

    /// <summary>There is something to take, or the end.</summary>
    public bool HasBytes => Peek(out bool isEnded) || isEnded;

    /// <summary>The peer is gone, and nothing that it sent is left.</summary>
    public bool IsEnded => !Peek(out bool isEnded) && isEnded;

    /// <summary>Ends the connection; whoever waits here gets false. Any thread.</summary>
    public void Shutdown() => _ = Libc.Shutdown(_fd, Libc.SHUT_RDWR);

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private bool Peek(out bool isEnded)
    {
        byte one = 0;
        // SAFETY: one byte of a local.
        nint count = Libc.Recv(_fd, &one, 1, Libc.MSG_PEEK | Libc.MSG_DONTWAIT);
        isEnded = count == 0 || (count < 0 && Marshal.GetLastPInvokeError() is not (Errno.EAGAIN or Errno.EINTR));
        return count > 0;
    }

    private nint SendSome(byte* start, int count, ReadOnlySpan<int> descriptors)
    {
        int space = sizeof(Libc.CMsgHdr) + MostDescriptors * sizeof(int);
        byte* control = stackalloc byte[space];
        IoVec vector = new((nint)start, (nuint)count);
        Libc.MsgHdr message = new() { Vectors = &vector, VectorCount = 1 };
        if (!descriptors.IsEmpty)
        {
            int used = sizeof(Libc.CMsgHdr) + descriptors.Length * sizeof(int);
            // SAFETY: `space` is enough for the header and MostDescriptors numbers, and there are no more.
            *(Libc.CMsgHdr*)control = new Libc.CMsgHdr { Bytes = (nuint)used, Level = Libc.SOL_SOCKET, Type = Libc.SCM_RIGHTS };
            descriptors.CopyTo(new Span<int>(control + sizeof(Libc.CMsgHdr), MostDescriptors));
            message.Control = control;
            message.ControlBytes = (nuint)(used + sizeof(nint) - 1) & ~(nuint)(sizeof(nint) - 1);
        }

        return Libc.Sendmsg(_fd, &message, Libc.MSG_NOSIGNAL);
    }

    private nint ReceiveSome(byte* start, int count, List<LinuxFile> descriptors, out bool isTruncated)
    {
        int space = sizeof(Libc.CMsgHdr) + MostDescriptors * sizeof(int);
        byte* control = stackalloc byte[space];
        IoVec vector = new((nint)start, (nuint)count);
        Libc.MsgHdr message = new() { Vectors = &vector, VectorCount = 1, Control = control, ControlBytes = (nuint)space };
        nint received = Libc.Recvmsg(_fd, &message, Libc.MSG_CMSG_CLOEXEC);
        isTruncated = received >= 0 && (message.Flags & Libc.MSG_CTRUNC) != 0;
        if (received < 0 || message.ControlBytes < (nuint)sizeof(Libc.CMsgHdr)) return received;
        // SAFETY: the kernel wrote one header whose length lies within what it says it used: a stream passes one set of rights at a time.
        Libc.CMsgHdr header = Unsafe.ReadUnaligned<Libc.CMsgHdr>(control);
        if (header.Level != Libc.SOL_SOCKET || header.Type != Libc.SCM_RIGHTS) return received;
        int numbers = ((int)Math.Min(header.Bytes, message.ControlBytes) - sizeof(Libc.CMsgHdr)) / sizeof(int);
        for (int i = 0; i < numbers; i++) descriptors.Add(new LinuxFile(((int*)(control + sizeof(Libc.CMsgHdr)))[i]));
        return received;
    }

    private static long EndOf(int timeoutMs) => timeoutMs < 0 ? Forever : Environment.TickCount64 + timeoutMs;

    /// <summary>After a call that failed: waits if waiting helps.</summary>
    private bool MayRetry(short events, long end)
    {
        int errno = Marshal.GetLastPInvokeError();
        if (errno == Errno.EINTR) return true;
        if (errno != Errno.EAGAIN) return false;
        Libc.PollFd poll = new() { Fd = _fd, Wanted = events };
        int timeoutMs = end < 0 ? Forever : (int)Math.Max(0, end - Environment.TickCount64);
        // SAFETY: a local that outlives the call.
        int ready = Libc.Poll(&poll, 1, timeoutMs);
        return ready > 0 || (ready < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
    }
}
