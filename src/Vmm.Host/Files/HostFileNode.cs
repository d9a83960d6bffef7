using Vmm.Core.Backends.Files;
using Vmm.Host.Native;

namespace Vmm.Host.Files;

/// <summary>A node of a <see cref="HostFileTree"/>, held by an O_PATH descriptor. This part: the node itself; the other: names in a directory.</summary>
internal sealed unsafe partial class HostFileNode : IFileNode
{
    private const int TargetBytes = 4096;
    private const uint Permissions = 0xfff;

    private readonly HostFileTree _tree;
    private readonly int _fd;
    private readonly ulong _device;
    private int _holders = 1;

    public HostFileNode(HostFileTree tree, int fd, in Libc.StatxBuffer stat)
        => (_tree, _fd, _device, Identity) = (tree, fd, HostFileTree.DeviceOf(stat), tree.IdentityOf(stat));

    public NodeIdentity Identity { get; }

    public IFileNode Hold()
    {
        Interlocked.Increment(ref _holders);
        return this;
    }

    public void Dispose()
    {
        if (Interlocked.Decrement(ref _holders) == 0) HostFileTree.Close(_fd);
    }

    public int GetAttributes(out NodeAttributes attributes)
    {
        Libc.StatxBuffer stat;
        int error = HostFileTree.Stat(_fd, &stat);
        attributes = error != 0 ? default : new NodeAttributes
        {
            Identity = _tree.IdentityOf(stat),
            Mode = stat.Mode,
            Uid = stat.Uid,
            Gid = stat.Gid,
            Links = stat.Links,
            DeviceMajor = stat.DeviceMajor,
            DeviceMinor = stat.DeviceMinor,
            SizeBytes = stat.SizeBytes,
            BlockBytes = stat.BlockBytes,
            Blocks = stat.Blocks,
            Accessed = TimeOf(stat.Accessed),
            Modified = TimeOf(stat.Modified),
            Changed = TimeOf(stat.Changed),
            Born = (stat.Mask & Libc.STATX_BTIME) != 0 ? TimeOf(stat.Born) : null,
        };
        return error;
    }

    public int SetAttributes(in NodeChange change, IOpenFile? open)
    {
        if (_tree.IsReadOnly) return Errno.EROFS;
        int error = change.SizeBytes is { } size ? SetSize(size, open as HostOpenFile) : 0;
        // The owner before the mode, because a new owner takes set-user-id away; the times last, because the size changes them.
        bool changesOwner = change.Uid is not null || change.Gid is not null;
        if (error == 0 && (changesOwner || change.Touch)) error = SetOwner(change.Uid ?? uint.MaxValue, change.Gid ?? uint.MaxValue);
        if (error == 0 && change.Mode is { } mode) error = Identity.Kind == NodeKind.SymbolicLink ? Errno.EOPNOTSUPP : _tree.ChangeMode(_fd, mode & Permissions);
        if (error == 0 && (change.Accessed.Kind, change.Modified.Kind) is not (TimeChangeKind.Keep, TimeChangeKind.Keep)) error = SetTimes(change);
        return error;
    }

    public int GetUsage(out FileSystemUsage usage)
    {
        Libc.StatfsBuffer stat;
        int error = HostFileTree.Result(Libc.Fstatfs(_fd, &stat));
        usage = error != 0 ? default : new FileSystemUsage((uint)stat.Type, (uint)stat.BlockBytes, stat.Blocks, stat.FreeBlocks, stat.AvailableBlocks,
            stat.Files, stat.FreeFiles, stat.Id, (uint)stat.MaxNameBytes);
        return error;
    }

    public int Open(OpenModes modes, out IOpenFile? file)
    {
        file = null;
        bool changes = (modes & (OpenModes.Write | OpenModes.Truncate)) != 0;
        if (changes && _tree.IsReadOnly) return Errno.EROFS;
        // Opening a FIFO would block, opening a device would let the guest have it.
        if (Identity.Kind is not (NodeKind.File or NodeKind.Directory)) return Identity.Kind == NodeKind.SymbolicLink ? Errno.ELOOP : Errno.ENXIO;
        if (!_tree.IsInside(_fd)) return Errno.ESTALE;
        int fd = _tree.Reopen(_fd, FlagsOf(modes));
        if (fd < 0) return -fd;
        file = new HostOpenFile(_tree, fd, _device, Identity.Number);
        return 0;
    }

    public int ReadLink(Span<byte> target, out int length)
    {
        byte empty = 0;
        nint count;
        // SAFETY: pinned for the call; the kernel writes at most the buffer's length.
        fixed (byte* to = target) count = Libc.Readlinkat(_fd, &empty, to, (nuint)target.Length);
        length = (int)Math.Max(count, 0);
        if (count < 0) return Identity.Kind == NodeKind.SymbolicLink ? HostFileTree.LastError() : Errno.EINVAL;
        return length == target.Length ? Errno.ENAMETOOLONG : 0;
    }

    public int GetExtended(ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        length = 0;
        Span<byte> path = stackalloc byte[HostFileTree.ProcPathBytes], copy = stackalloc byte[NodeName.BufferBytes];
        HostFileTree.FormatPath(_fd, path);
        int error = name.IsEmpty ? 0 : NodeName.CopyText(name, copy);
        if (error != 0) return error == Errno.ENAMETOOLONG ? Errno.ERANGE : error;
        nint count;
        // SAFETY: pinned for the call, with zeros behind the texts; the kernel writes at most the buffer's length.
        fixed (byte* at = path, text = copy, to = value)
        {
            count = name.IsEmpty ? Libc.Listxattr(at, to, (nuint)value.Length) : Libc.Getxattr(at, text, to, (nuint)value.Length);
        }

        length = (int)Math.Max(count, 0);
        return count < 0 ? HostFileTree.LastError() : 0;
    }

    public int SetExtended(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, int flags)
    {
        if (_tree.IsReadOnly) return Errno.EROFS;
        Span<byte> path = stackalloc byte[HostFileTree.ProcPathBytes], copy = stackalloc byte[NodeName.BufferBytes];
        HostFileTree.FormatPath(_fd, path);
        int error = NodeName.CopyText(name, copy);
        if (error != 0) return error == Errno.ENAMETOOLONG ? Errno.ERANGE : error;
        // SAFETY: as in GetExtended.
        fixed (byte* at = path, text = copy, from = value) return HostFileTree.Result(Libc.Setxattr(at, text, from, (nuint)value.Length, flags));
    }

    public int RemoveExtended(ReadOnlySpan<byte> name)
    {
        if (_tree.IsReadOnly) return Errno.EROFS;
        Span<byte> path = stackalloc byte[HostFileTree.ProcPathBytes], copy = stackalloc byte[NodeName.BufferBytes];
        HostFileTree.FormatPath(_fd, path);
        int error = NodeName.CopyText(name, copy);
        if (error != 0) return error == Errno.ENAMETOOLONG ? Errno.ERANGE : error;
        // SAFETY: as in GetExtended.
        fixed (byte* at = path, text = copy) return HostFileTree.Result(Libc.Removexattr(at, text));
    }

    public int GetPath(Span<byte> path, out int length)
    {
        Span<byte> whole = stackalloc byte[TargetBytes];
        int error = _tree.GetPath(_fd, whole, out int start, out length);
        if (error != 0) return error;
        if (length > path.Length) return Errno.ENAMETOOLONG;
        whole.Slice(start, length).CopyTo(path);
        return 0;
    }

    private static NodeTime TimeOf(in Libc.StatxTime time) => new(time.Seconds, time.Nanoseconds);

    private static int FlagsOf(OpenModes modes)
    {
        int flags = (modes & (OpenModes.Read | OpenModes.Write)) switch
        {
            OpenModes.Read | OpenModes.Write => Libc.O_RDWR,
            OpenModes.Write => Libc.O_WRONLY,
            _ => Libc.O_RDONLY,
        };
        if ((modes & OpenModes.Truncate) != 0) flags |= Libc.O_TRUNC;
        if ((modes & OpenModes.Sync) != 0) flags |= Libc.O_SYNC;
        if ((modes & OpenModes.DataSync) != 0) flags |= Libc.O_DSYNC;
        if ((modes & OpenModes.Directory) != 0) flags |= Libc.O_DIRECTORY;
        return flags | Libc.O_NONBLOCK;
    }

    private int SetSize(ulong size, HostOpenFile? open)
    {
        if (size > long.MaxValue) return Errno.EFBIG;
        if (open is not null) return HostFileTree.Result(Libc.Ftruncate(open.Fd, (nint)size));
        if (Identity.Kind != NodeKind.File) return Identity.Kind == NodeKind.Directory ? Errno.EISDIR : Errno.EINVAL;
        int fd = _tree.Reopen(_fd, Libc.O_WRONLY | Libc.O_NONBLOCK);
        if (fd < 0) return -fd;
        int error = HostFileTree.Result(Libc.Ftruncate(fd, (nint)size));
        HostFileTree.Close(fd);
        return error;
    }

    private int SetOwner(uint uid, uint gid)
    {
        byte empty = 0;
        return HostFileTree.Result(Libc.Fchownat(_fd, &empty, uid, gid, Libc.AT_EMPTY_PATH | Libc.AT_SYMLINK_NOFOLLOW));
    }

    private int SetTimes(in NodeChange change)
    {
        Libc.TimeSpec* times = stackalloc Libc.TimeSpec[2];
        times[0] = SpecOf(change.Accessed);
        times[1] = SpecOf(change.Modified);
        return _tree.ChangeTimes(_fd, times);
    }

    private static Libc.TimeSpec SpecOf(in TimeChange change) => change.Kind switch
    {
        TimeChangeKind.Keep => new() { Nanoseconds = Libc.UTIME_OMIT },
        TimeChangeKind.Now => new() { Nanoseconds = Libc.UTIME_NOW },
        _ => new() { Seconds = change.Time.Seconds, Nanoseconds = change.Time.Nanoseconds },
    };
}
