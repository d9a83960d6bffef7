using System.Runtime.InteropServices;
using Vmm.Core.Backends.Files;
using Vmm.Core.Memory;
using Vmm.Host.Native;

namespace Vmm.Host.Files;

/// <summary>An open file or directory in a <see cref="HostFileTree"/>.</summary>
internal sealed unsafe class HostOpenFile : IOpenFile
{
    private const int VectorsPerCall = 1024;
    private const int EntriesBytes = 8192;
    private const ulong Unknown = ulong.MaxValue;

    private readonly HostFileTree _tree;
    private readonly ulong _device;
    private ulong _position;
    private bool _hasLocked;

    public HostOpenFile(HostFileTree tree, int fd, ulong device, ulong number) => (_tree, Fd, _device, Number) = (tree, fd, device, number);

    public int Fd { get; }

    /// <summary>The node's number.</summary>
    public ulong Number { get; }

    public int Read(ulong offset, ReadOnlySpan<IoVec> vectors, out ulong done) => Transfer(offset, vectors, isWrite: false, out done);

    public int Write(ulong offset, ReadOnlySpan<IoVec> vectors, out ulong done) => Transfer(offset, vectors, isWrite: true, out done);

    public int Sync(bool dataOnly) => HostFileTree.Result(dataOnly ? Libc.Fdatasync(Fd) : Libc.Fsync(Fd));

    public int ReadDirectory(ulong position, IDirectorySink sink)
    {
        if (!_tree.IsInside(Fd)) return Errno.ESTALE;
        if (position > long.MaxValue) return Errno.EINVAL;
        if (position != _position && Libc.Lseek(Fd, (nint)position, Libc.SEEK_SET) < 0) return HostFileTree.LastError();
        _position = Unknown;
        byte* entries = stackalloc byte[EntriesBytes];
        while (true)
        {
            nint count = Libc.Getdents64(Fd, entries, EntriesBytes);
            if (count < 0) return HostFileTree.LastError();
            if (count == 0)
            {
                _position = position;
                return 0;
            }

            // SAFETY: the kernel filled in so many bytes.
            if (!Give(new ReadOnlySpan<byte>(entries, (int)count), ref position, sink)) return 0;
        }
    }

    public int TryLock(in FileLock wanted)
    {
        int error = SetLock(wanted.Kind, wanted);
        // Open for reading only, it can be locked no better.
        if (error == Errno.EBADF && wanted.Kind == FileLockKind.Exclusive) error = SetLock(FileLockKind.Shared, wanted);
        if (error == Errno.EACCES) error = Errno.EAGAIN;
        if (error == Errno.EAGAIN && _tree.Locks.IsOwn(this, wanted)) error = 0;
        if (error != 0) return error;
        _hasLocked = true;
        _tree.Locks.Note(this, wanted);
        return 0;
    }

    public int TestLock(in FileLock wanted, out FileLock found)
    {
        found = wanted with { Kind = FileLockKind.None };
        if (!TryConvert(wanted.Kind, wanted, out Libc.Flock flock)) return Errno.EINVAL;
        // SAFETY: a local that outlives the call.
        if (Libc.Fcntl(Fd, Libc.F_OFD_GETLK, (nint)(&flock)) != 0) return HostFileTree.LastError();
        if (flock.Type == Libc.F_UNLCK || _tree.Locks.IsOwn(this, wanted)) return 0;
        found = new FileLock((FileLockKind)flock.Type, (ulong)flock.Start, (ulong)flock.Length, (uint)Math.Max(flock.ProcessId, 0));
        return 0;
    }

    public void Dispose()
    {
        if (_hasLocked) _tree.Locks.Forget(this);
        HostFileTree.Close(Fd);
    }

    private int Transfer(ulong offset, ReadOnlySpan<IoVec> vectors, bool isWrite, out ulong done)
    {
        done = 0;
        if (offset > long.MaxValue) return Errno.EINVAL;
        int count = Math.Min(vectors.Length, VectorsPerCall);
        while (true)
        {
            nint moved;
            // SAFETY: the vectors describe memory that their maker pinned; the kernel stays within them.
            fixed (IoVec* first = vectors)
            {
                moved = isWrite ? Libc.Pwritev(Fd, first, count, (nint)offset) : Libc.Preadv(Fd, first, count, (nint)offset);
            }

            if (moved >= 0)
            {
                done = (ulong)moved;
                return 0;
            }

            int error = HostFileTree.LastError();
            if (error != Errno.EINTR) return error;
        }
    }

    /// <returns>False when the sink has enough.</returns>
    private bool Give(ReadOnlySpan<byte> entries, ref ulong position, IDirectorySink sink)
    {
        // struct linux_dirent64: inode 8, offset 8, length 2, type 1, name with a zero.
        const int NameOffset = 19;
        while (entries.Length > NameOffset)
        {
            ulong inode = MemoryMarshal.Read<ulong>(entries);
            ulong next = MemoryMarshal.Read<ulong>(entries[8..]);
            ushort length = MemoryMarshal.Read<ushort>(entries[16..]);
            byte type = entries[18];
            ReadOnlySpan<byte> name = entries[NameOffset..length];
            name = name[..name.IndexOf((byte)0)];
            if (!sink.TryAdd(new NodeIdentity(KindOf(type), _tree.NumberOf(_device, inode), 1), type, next, name)) return false;
            position = next;
            entries = entries[length..];
        }

        return true;
    }

    private static NodeKind KindOf(byte type)
    {
        const byte DT_DIR = 4, DT_REG = 8, DT_LNK = 10;
        return type switch
        {
            DT_REG => NodeKind.File,
            DT_DIR => NodeKind.Directory,
            DT_LNK => NodeKind.SymbolicLink,
            _ => NodeKind.Special,
        };
    }

    private int SetLock(FileLockKind kind, in FileLock wanted)
    {
        if (!TryConvert(kind, wanted, out Libc.Flock flock)) return Errno.EINVAL;
        // SAFETY: a local that outlives the call.
        return HostFileTree.Result(Libc.Fcntl(Fd, Libc.F_OFD_SETLK, (nint)(&flock)));
    }

    private static bool TryConvert(FileLockKind kind, in FileLock wanted, out Libc.Flock flock)
    {
        flock = default;
        if (kind > FileLockKind.None || wanted.Start > long.MaxValue || wanted.Length > long.MaxValue - wanted.Start) return false;
        flock = new Libc.Flock { Type = (short)kind, Start = (long)wanted.Start, Length = (long)wanted.Length };
        return true;
    }
}
