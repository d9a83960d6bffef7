using System.Runtime.InteropServices;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host.Native;

namespace Vmm.Host.Net;

/// <summary>
/// One queue of a TAP device: whole Ethernet frames, each behind a header of <see cref="INetBackend.HeaderBytes"/> bytes where
/// <see cref="HasHeader"/>. An interface that this process made goes away with its last queue. Never blocks.
/// </summary>
public sealed unsafe class TapQueue : IDisposable
{
    /// <summary>The longest name of an interface.</summary>
    public const int MostNameBytes = Libc.IfReq.NameBytes - 1;

    /// <summary>The most queues of one TAP (the kernel's MAX_TAP_QUEUES).</summary>
    public const int MostQueues = 256;

    /// <summary>Lets the kernel find a name.</summary>
    public const string AnyName = "vmm%d";

    private const string Device = "/dev/net/tun";

    private readonly LinuxFile _file;
    private readonly int _fd;

    private TapQueue(LinuxFile file, string name, int flags)
    {
        (_file, _fd, Name) = (file, file.Fd, name);
        HasHeader = (flags & Libc.IFF_VNET_HDR) != 0;
        IsMultiQueue = (flags & Libc.IFF_MULTI_QUEUE) != 0;
    }

    /// <summary>The interface's name.</summary>
    public string Name { get; }

    /// <summary>Whether frames come and go behind a header.</summary>
    public bool HasHeader { get; }

    /// <summary>Whether the interface can have more than one queue.</summary>
    public bool IsMultiQueue { get; }

    /// <summary>The descriptor's number: readable when a frame waits.</summary>
    public int Fd => _file.Fd;

    /// <summary>Opens a queue of the named interface, which is made when it is not there.</summary>
    /// <param name="name">The name, or <see cref="AnyName"/>.</param>
    /// <param name="isMultiQueue">It is to have more queues; all are opened alike.</param>
    /// <exception cref="LinuxException">No TAP devices here, no permission, the interface is in use or of another kind.</exception>
    public static TapQueue Open(string name, bool isMultiQueue)
    {
        LinuxFile file = OpenDevice();
        try
        {
            uint features = 0;
            // SAFETY: the kernel writes one unsigned int.
            if (Libc.Ioctl(file.Fd, Libc.TUNGETFEATURES, (nint)(&features)) != 0) throw LinuxException.FromLastError($"asking {Device} what it can do");
            if (isMultiQueue && (features & Libc.IFF_MULTI_QUEUE) == 0) throw new LinuxException("this kernel's TAP devices have one queue only");
            int flags = Libc.IFF_TAP | Libc.IFF_NO_PI | ((int)features & Libc.IFF_VNET_HDR) | (isMultiQueue ? Libc.IFF_MULTI_QUEUE : 0);
            Libc.IfReq request = new() { Flags = (ushort)flags };
            // SAFETY: the name is checked to be shorter than the field, which was zeroed.
            Encoding.ASCII.GetBytes(CheckName(name), new Span<byte>(request.Name, Libc.IfReq.NameBytes));
            if (Libc.Ioctl(file.Fd, Libc.TUNSETIFF, (nint)(&request)) != 0) throw Explain(name, isMultiQueue);
            return Finish(file, NameOf(request), flags);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Takes over a descriptor that someone else has opened; it must be a TAP's.</summary>
    /// <exception cref="LinuxException">It is no open TAP without packet information.</exception>
    public static TapQueue Adopt(int fd)
    {
        Libc.IfReq request = default;
        // SAFETY: the kernel fills in a struct ifreq.
        if (Libc.Ioctl(fd, Libc.TUNGETIFF, (nint)(&request)) != 0)
            throw new LinuxException($"descriptor {fd} is not an open TAP device", Marshal.GetLastPInvokeError());
        int flags = request.Flags;
        string name = NameOf(request);
        if ((flags & Libc.IFF_TAP) == 0) throw new LinuxException($"descriptor {fd} is of the TUN device {name}: a TAP device is needed");
        if ((flags & Libc.IFF_NO_PI) == 0) throw new LinuxException($"descriptor {fd} of {name} carries packet information: open it with IFF_NO_PI");
        LinuxFile file = LinuxFile.FromResult(Libc.Fcntl(fd, Libc.F_DUPFD_CLOEXEC, 0), $"taking over descriptor {fd}");
        try
        {
            TapQueue queue = Finish(file, name, flags);
            _ = Libc.Close(fd);
            return queue;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Takes over a descriptor that came from another process; it must be a TAP's, with this queue in use.</summary>
    /// <exception cref="LinuxException">As for <see cref="Adopt(int)"/>.</exception>
    public static TapQueue Adopt(LinuxFile file)
    {
        using LinuxFile copy = file.Duplicate();
        TapQueue queue = Adopt(copy.Fd);
        // It has closed that one.
        _ = copy.Release();
        return queue;
    }

    /// <summary>Says what the reader takes undone, for all queues of the interface.</summary>
    /// <returns>False when the kernel does not know one of them.</returns>
    public bool TrySetOffloads(TapOffloads offloads) => Libc.Ioctl(_fd, Libc.TUNSETOFFLOAD, (nint)offloads) == 0;

    /// <summary>Has the interface use this queue or not. Nothing to do where there is one only.</summary>
    /// <returns>False when the kernel refused.</returns>
    public bool TryEnable(bool on)
    {
        if (!IsMultiQueue) return on;
        Libc.IfReq request = new() { Flags = (ushort)(on ? Libc.IFF_ATTACH_QUEUE : Libc.IFF_DETACH_QUEUE) };
        // SAFETY: the kernel reads a struct ifreq.
        return Libc.Ioctl(_fd, Libc.TUNSETQUEUE, (nint)(&request)) == 0;
    }

    /// <summary>Takes the next frame.</summary>
    /// <returns>Its bytes, at most what the vectors hold: the rest is lost. Pending: there is none.</returns>
    public TapResult Read(ReadOnlySpan<IoVec> into, out int count)
    {
        fixed (IoVec* first = into)
        {
            while (true)
            {
                // SAFETY: the vectors are pinned memory of the caller's.
                nint done = Libc.Readv(_fd, first, into.Length);
                count = (int)Math.Max(0, done);
                if (done >= 0) return TapResult.Done;
                TapResult result = LastResult();
                if (result != TapResult.Again) return result;
            }
        }
    }

    /// <summary>Sends one frame.</summary>
    public TapResult Write(ReadOnlySpan<IoVec> frame)
    {
        fixed (IoVec* first = frame)
        {
            while (true)
            {
                // SAFETY: the vectors are pinned memory of the caller's.
                if (Libc.Writev(_fd, first, frame.Length) >= 0) return TapResult.Done;
                TapResult result = LastResult();
                if (result != TapResult.Again) return result;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static LinuxFile OpenDevice()
    {
        int fd = Libc.Open(Device, Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        if (fd >= 0) return new LinuxFile(fd);
        int errno = Marshal.GetLastPInvokeError();
        throw errno switch
        {
            Errno.ENOENT or Errno.ENODEV or Errno.ENXIO => new LinuxException($"there is no {Device}: load the module with 'modprobe tun', or give the container that device"),
            Errno.EACCES or Errno.EPERM => new LinuxException($"no permission for {Device}: run as root, or use --net user, which needs no privilege"),
            _ => new LinuxException($"opening {Device}", errno),
        };
    }

    private static LinuxException Explain(string name, bool isMultiQueue)
    {
        int errno = Marshal.GetLastPInvokeError();
        string queues = isMultiQueue ? " multi_queue" : "";
        return errno switch
        {
            Errno.EPERM or Errno.EACCES => new LinuxException($"making the TAP device {name} needs CAP_NET_ADMIN: run as root, or have root run "
                + $"'ip tuntap add {name} mode tap user $USER{queues}' before, or use --net user"),
            Errno.EBUSY => new LinuxException($"the TAP device {name} is in use by another process"),
            Errno.EINVAL => new LinuxException($"{name} cannot be opened as a TAP device with {(isMultiQueue ? "several queues" : "one queue")}: "
                + $"it is another kind of interface, or was made {(isMultiQueue ? "without" : "with")} multi_queue"),
            _ => new LinuxException($"opening the TAP device {name}", errno),
        };
    }

    private static TapQueue Finish(LinuxFile file, string name, int flags)
    {
        TapQueue queue = new(file, name, flags);
        file.SetNonBlocking(true);
        int headerBytes = INetBackend.HeaderBytes;
        // SAFETY: the kernel reads one int.
        if (queue.HasHeader && Libc.Ioctl(file.Fd, Libc.TUNSETVNETHDRSZ, (nint)(&headerBytes)) != 0)
            throw LinuxException.FromLastError($"{name}: setting the size of the header");
        return queue;
    }

    private static string CheckName(string name)
    {
        bool isGood = name.Length is > 0 and <= MostNameBytes && name is not "." and not ".." && name.All(c => c is > ' ' and < (char)127 and not '/' and not ':');
        return isGood ? name : throw new LinuxException($"'{name}' is no name for an interface: 1 to {MostNameBytes} characters without spaces, '/' and ':'");
    }

    private static string NameOf(Libc.IfReq request) => Encoding.ASCII.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(request.Name));

    private static TapResult LastResult() => Marshal.GetLastPInvokeError() switch
    {
        Errno.EINTR => TapResult.Again,
        Errno.EAGAIN => TapResult.Pending,
        Errno.EBADFD => TapResult.Gone,
        _ => TapResult.Refused,
    };
}
