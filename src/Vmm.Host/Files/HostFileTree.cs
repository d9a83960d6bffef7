using System.Buffers.Text;
using System.Globalization;
using System.Runtime.InteropServices;
using Vmm.Core.Backends.Files;
using Vmm.Host.Native;

namespace Vmm.Host.Files;

/// <summary>
/// A directory of the host, shared. Every node is held by an O_PATH descriptor that was opened one name below another such node, so
/// that no path is ever resolved that somebody could bend. A directory that was moved out of the tree is found out by asking the
/// kernel where it lies now; nothing is found, made or removed in it any more.
/// </summary>
public sealed unsafe class HostFileTree : IFileTree
{
    private const ulong Confined = Libc.RESOLVE_BENEATH | Libc.RESOLVE_NO_MAGICLINKS | Libc.RESOLVE_NO_SYMLINKS;
    private const int PathBytes = 4096;
    private const int NumberBytes = 12;

    private static ReadOnlySpan<byte> ProcDirectory => "/proc/self/fd/"u8;

    private readonly LinuxFile _root;
    private readonly LinuxFile _proc;
    private readonly ulong _rootDevice;
    private byte[] _rootPath = [];

    private HostFileTree(LinuxFile root, LinuxFile proc, ulong device, uint creationMask, FileTreeOptions options)
        => (_root, _proc, _rootDevice, CreationMask, Options) = (root, proc, device, creationMask, options);

    /// <inheritdoc/>
    public bool IsReadOnly => Options.IsReadOnly;

    internal FileTreeOptions Options { get; }

    /// <summary>The permissions that this process does not give to new files by itself.</summary>
    internal uint CreationMask { get; }

    /// <summary>Record locks that the guest holds.</summary>
    internal HeldLocks Locks { get; } = new();

    /// <summary>Opens a directory for sharing.</summary>
    /// <exception cref="LinuxException">It is no directory, or the host lacks /proc or openat2 (Linux 5.6).</exception>
    public static HostFileTree Open(string path, FileTreeOptions options)
    {
        LinuxFile root = LinuxFile.Open(path, Libc.O_PATH | Libc.O_DIRECTORY);
        LinuxFile? proc = null;
        try
        {
            proc = LinuxFile.Open("/proc/self/fd", Libc.O_PATH | Libc.O_DIRECTORY);
            Libc.StatxBuffer stat;
            if (Stat(root.Fd, &stat) != 0) throw LinuxException.FromLastError($"examining {path}");
            HostFileTree tree = new(root, proc, DeviceOf(stat), ReadCreationMask(), options);
            int error = tree.OpenRoot(out IFileNode? node);
            if (error != 0) throw new LinuxException($"opening {path} with openat2", error);
            node!.Dispose();
            return tree;
        }
        catch
        {
            proc?.Dispose();
            root.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public int OpenRoot(out IFileNode? root)
    {
        int error = OpenBelow(_root.Fd, "."u8, out HostFileNode? node);
        root = node;
        return error;
    }

    /// <inheritdoc/>
    public int Reopen(ReadOnlySpan<byte> path, out IFileNode? node)
    {
        node = null;
        if (path.IsEmpty) return OpenRoot(out node);
        Span<byte> copy = stackalloc byte[PathBytes];
        int error = NodeName.CopyText(path, copy);
        if (error != 0) return error;
        error = OpenBelow(_root.Fd, copy, out HostFileNode? found);
        node = found;
        return error;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _root.Dispose();
        _proc.Dispose();
    }

    /// <summary>Opens a node below a directory, as itself: nothing is read from it or executed.</summary>
    /// <param name="directory">Descriptor of the directory.</param>
    /// <param name="path">With a zero behind it.</param>
    internal int OpenBelow(int directory, ReadOnlySpan<byte> path, out HostFileNode? node)
    {
        node = null;
        if (!Descriptors.TryTake()) return Errno.ENFILE;
        Libc.OpenHow how = new() { Flags = Libc.O_PATH | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, Resolve = Confined };
        int fd;
        // SAFETY: pinned for the call; the caller put a zero behind the path.
        fixed (byte* start = path) fd = (int)Libc.Openat2(Libc.SYS_openat2, directory, start, &how, (nuint)sizeof(Libc.OpenHow));
        if (fd < 0)
        {
            Descriptors.GiveBack();
            return LastError();
        }

        Libc.StatxBuffer stat;
        int error = Stat(fd, &stat);
        if (error == 0 && !IsInside(fd)) error = Errno.ESTALE;
        if (error != 0)
        {
            Close(fd);
            return error;
        }

        node = new HostFileNode(this, fd, stat);
        return 0;
    }

    /// <summary>Makes and opens a file that was not there.</summary>
    /// <param name="directory">Descriptor of its directory.</param>
    /// <param name="name">With a zero behind it.</param>
    /// <returns>The descriptor, counted in, or a negative error number.</returns>
    internal static int CreateFile(int directory, ReadOnlySpan<byte> name, int flags, uint mode)
    {
        if (!Descriptors.TryTake()) return -Errno.ENFILE;
        int fd;
        // SAFETY: as in OpenBelow.
        fixed (byte* path = name) fd = Libc.Openat(directory, path, flags | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, mode);
        if (fd >= 0) return fd;
        Descriptors.GiveBack();
        return -LastError();
    }

    /// <summary>The node of an open file.</summary>
    internal int NodeOf(int fd, out HostFileNode? node)
    {
        node = null;
        int path = Reopen(fd, Libc.O_PATH);
        if (path < 0) return -path;
        Libc.StatxBuffer stat;
        int error = Stat(path, &stat);
        if (error == 0) node = new HostFileNode(this, path, stat);
        else Close(path);
        return error;
    }

    /// <summary>Closes a descriptor that was counted in.</summary>
    internal static void Close(int fd)
    {
        _ = Libc.Close(fd);
        Descriptors.GiveBack();
    }

    /// <summary>Opens what an O_PATH descriptor stands for.</summary>
    /// <returns>The new descriptor, counted in, or a negative error number.</returns>
    internal int Reopen(int fd, int flags)
    {
        if (!Descriptors.TryTake()) return -Errno.ENFILE;
        Span<byte> number = stackalloc byte[NumberBytes];
        Format(fd, number);
        int opened;
        // SAFETY: a local with a zero at its end.
        fixed (byte* path = number) opened = Libc.Openat(_proc.Fd, path, flags | Libc.O_CLOEXEC, 0);
        if (opened >= 0) return opened;
        Descriptors.GiveBack();
        return -LastError();
    }

    internal int ChangeMode(int fd, uint mode)
    {
        Span<byte> number = stackalloc byte[NumberBytes];
        Format(fd, number);
        // SAFETY: as in Reopen.
        fixed (byte* path = number) return Result(Libc.Fchmodat(_proc.Fd, path, mode, 0));
    }

    internal int ChangeTimes(int fd, Libc.TimeSpec* times)
    {
        Span<byte> number = stackalloc byte[NumberBytes];
        Format(fd, number);
        // SAFETY: as in Reopen.
        fixed (byte* path = number) return Result(Libc.Utimensat(_proc.Fd, path, times, 0));
    }

    /// <summary>Gives the node of a descriptor another name.</summary>
    internal int LinkTo(int fd, int directory, byte* name)
    {
        Span<byte> number = stackalloc byte[NumberBytes];
        Format(fd, number);
        // SAFETY: as in Reopen.
        fixed (byte* path = number) return Result(Libc.Linkat(_proc.Fd, path, directory, name, Libc.AT_SYMLINK_FOLLOW));
    }

    /// <summary>A path by which calls that take no descriptor reach the node of one.</summary>
    internal static void FormatPath(int fd, Span<byte> path)
    {
        ProcDirectory.CopyTo(path);
        Format(fd, path[ProcDirectory.Length..]);
    }

    /// <summary>Bytes of a buffer for <see cref="FormatPath"/>.</summary>
    internal const int ProcPathBytes = 32;

    internal static int Stat(int fd, Libc.StatxBuffer* to)
    {
        byte empty = 0;
        return Result(Libc.Statx(fd, &empty, Libc.AT_EMPTY_PATH | Libc.AT_SYMLINK_NOFOLLOW, Libc.STATX_BASIC_STATS | Libc.STATX_BTIME, to));
    }

    internal NodeIdentity IdentityOf(in Libc.StatxBuffer stat)
    {
        // The guest compares it to see whether what it keeps is still right; 0 would say that nothing can be kept.
        ulong version = ((ulong)stat.Modified.Seconds * 1_000_000_000 + stat.Modified.Nanoseconds) ^ (stat.SizeBytes << 20);
        return new NodeIdentity(KindOf(stat.Mode), NumberOf(DeviceOf(stat), stat.Inode), (uint)(version ^ (version >> 32)) | 1);
    }

    /// <summary>Inode numbers of the top's own file system stay as they are; the others get bit 63 and a number that their device has a part in.</summary>
    internal ulong NumberOf(ulong device, ulong inode)
    {
        const ulong Foreign = 1UL << 63;
        if (device == _rootDevice && (inode & Foreign) == 0) return inode;
        // A mixture that can be undone: two inodes of one device never meet but in the bit that is lost.
        ulong mixed = inode ^ unchecked(device * 0x9e37_79b9_7f4a_7c15);
        mixed = unchecked((mixed ^ (mixed >> 32)) * 0xd6e8_feb8_6659_fd93);
        return (mixed ^ (mixed >> 32)) | Foreign;
    }

    internal static ulong DeviceOf(in Libc.StatxBuffer stat) => ((ulong)stat.OnMajor << 32) | stat.OnMinor;

    internal static NodeKind KindOf(uint mode) => (mode & Libc.S_IFMT) switch
    {
        Libc.S_IFREG => NodeKind.File,
        Libc.S_IFDIR => NodeKind.Directory,
        Libc.S_IFLNK => NodeKind.SymbolicLink,
        _ => NodeKind.Special,
    };

    /// <summary>Whether the top is on the way from the root directory to a descriptor's node.</summary>
    internal bool IsInside(int fd)
    {
        Span<byte> path = stackalloc byte[PathBytes];
        return GetPath(fd, path, out _, out _) == 0;
    }

    /// <summary>Where a node lies.</summary>
    /// <param name="fd">Its descriptor.</param>
    /// <param name="path">Gets the whole path.</param>
    /// <param name="start">Where in it the part below the top begins.</param>
    /// <param name="length">Bytes of that part, 0 for the top itself.</param>
    /// <returns>ESTALE when it lies outside.</returns>
    internal int GetPath(int fd, Span<byte> path, out int start, out int length)
    {
        (start, length) = (0, 0);
        int error = ReadPath(fd, path, out int bytes);
        if (error != 0) return error;
        if (IsBelow(path[..bytes], Volatile.Read(ref _rootPath), out start))
        {
            length = bytes - start;
            return 0;
        }

        // The top itself may have been moved.
        Span<byte> root = stackalloc byte[PathBytes];
        error = ReadPath(_root.Fd, root, out int rootBytes);
        if (error != 0) return error;
        Volatile.Write(ref _rootPath, root[..rootBytes].ToArray());
        error = ReadPath(fd, path, out bytes);
        if (error != 0) return error;
        if (!IsBelow(path[..bytes], root[..rootBytes], out start)) return Errno.ESTALE;
        length = bytes - start;
        return 0;
    }

    internal static int Result(int result) => result == 0 ? 0 : LastError();

    internal static int LastError() => Marshal.GetLastPInvokeError();

    private static bool IsBelow(ReadOnlySpan<byte> path, ReadOnlySpan<byte> root, out int start)
    {
        start = root.Length;
        if (root.IsEmpty || !path.StartsWith(root)) return false;
        if (path.Length == root.Length || root.SequenceEqual("/"u8)) return true;
        start++;
        return path[root.Length] == (byte)'/';
    }

    private int ReadPath(int fd, Span<byte> path, out int bytes)
    {
        Span<byte> number = stackalloc byte[NumberBytes];
        Format(fd, number);
        nint count;
        // SAFETY: locals that outlive the call; the kernel writes at most the buffer's length.
        fixed (byte* link = number, to = path) count = Libc.Readlinkat(_proc.Fd, link, to, (nuint)path.Length);
        bytes = (int)Math.Max(count, 0);
        if (count < 0) return LastError();
        return bytes == path.Length ? Errno.ENAMETOOLONG : 0;
    }

    private static void Format(int fd, Span<byte> to)
    {
        Utf8Formatter.TryFormat(fd, to, out int written);
        to[written] = 0;
    }

    private static uint ReadCreationMask()
    {
        const string Key = "Umask:";
        string? line = File.ReadLines("/proc/self/status").FirstOrDefault(l => l.StartsWith(Key, StringComparison.Ordinal));
        return line is null ? 0 : ParseOctal(line.AsSpan(Key.Length).Trim());
    }

    private static uint ParseOctal(ReadOnlySpan<char> digits)
    {
        uint value = 0;
        foreach (char digit in digits) value = value * 8 + (uint)CharUnicodeInfo.GetDecimalDigitValue(digit);
        return value;
    }
}
