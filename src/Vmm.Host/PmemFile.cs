using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>
/// A file mapped as a guest's persistent memory. It is locked against other users that honour locks; whoever cuts it short all the same
/// takes pages away that are mapped: <see cref="BusErrorGuard"/> puts empty ones there, and no flush succeeds any more.
/// </summary>
public sealed class PmemFile : IPmemBackend, IDisposable
{
    /// <summary>What the size must be a multiple of: the unit in which Linux takes memory in, and a large page.</summary>
    public const ulong UnitBytes = 2UL << 20;

    private readonly BlockFile _file;
    private readonly bool _isPrivate;
    private readonly Action<string> _note;
    private readonly nint _address;
    private int _isLost;

    private PmemFile(BlockFile file, ulong sizeBytes, bool isPrivate, Action<string> note)
    {
        (_file, SizeBytes, _isPrivate, _note) = (file, sizeBytes, isPrivate, note);
        // What a guest changes in a file that is not to be changed stays in memory and goes away with the machine.
        int flags = isPrivate ? Libc.MAP_PRIVATE | Libc.MAP_NORESERVE : Libc.MAP_SHARED;
        _address = Libc.Mmap(0, (nuint)sizeBytes, Libc.PROT_READ | Libc.PROT_WRITE, flags, file.Fd, 0);
        if (_address == Libc.MAP_FAILED) throw LinuxException.FromLastError($"mapping {file.Path}");
        _ = Libc.Madvise(_address, (nuint)sizeBytes, Libc.MADV_DONTDUMP);
        BusErrorGuard.Add(_address, sizeBytes);
    }

    /// <inheritdoc/>
    public ulong SizeBytes { get; }

    /// <summary>Opens a file.</summary>
    /// <param name="path">A regular file.</param>
    /// <param name="sizeBytes">The size that it gets if it is smaller or not there; null for the size that it has.</param>
    /// <param name="readOnly">The file is not changed: what the guest writes goes away with the machine, and flushing it fails.</param>
    /// <param name="note">Takes a line when the file was cut short.</param>
    /// <exception cref="LinuxException">It cannot be opened, is in use, or has a size that cannot be.</exception>
    public static PmemFile Open(string path, ulong? sizeBytes, bool readOnly, Action<string> note)
    {
        bool isNew = sizeBytes is not null && !readOnly && !File.Exists(path);
        BlockFile file = isNew ? BlockFile.Create(path) : BlockFile.Open(path, readOnly);
        try
        {
            return new PmemFile(file, Prepare(file, sizeBytes), readOnly, note);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>It as guest memory.</summary>
    public GuestMemoryRegion Region(GuestAddress start)
        => new(start, SizeBytes, _address, _isPrivate ? -1 : _file.Fd, IsDevice: true);

    /// <inheritdoc/>
    public BlockResult Flush()
    {
        if (_isPrivate) return BlockResult.ReadOnly;
        int error = _file.Flush();
        bool isCut = _file.GetLength(out ulong length) == 0 && length < SizeBytes;
        if (isCut || BusErrorGuard.LostPages(_address) != 0)
        {
            if (Interlocked.Exchange(ref _isLost, 1) == 0) _note($"{_file.Path} was cut short by another program: a part of what the guest had stored is lost");
            return BlockResult.IoError;
        }

        return error == 0 ? BlockResult.Ok : BlockResult.IoError;
    }

    /// <summary>Unmaps it. Nobody may be using the memory.</summary>
    public void Dispose()
    {
        BusErrorGuard.Remove(_address);
        _ = Libc.Munmap(_address, (nuint)SizeBytes);
        _file.Dispose();
    }

    private static ulong Prepare(BlockFile file, ulong? sizeBytes)
    {
        int error = file.GetLength(out ulong length);
        if (error != 0) throw new LinuxException($"examining {file.Path}", error);
        if (file.IsBlockDevice) throw new LinuxException($"{file.Path} is a block device; persistent memory needs a regular file");
        if (sizeBytes is { } wanted)
        {
            if (length > wanted) throw new LinuxException($"{file.Path} has {length} bytes, more than the {wanted} asked for");
            if (length < wanted && file.IsReadOnly) throw new LinuxException($"{file.Path} has {length} bytes, fewer than the {wanted} asked for, and is not to be changed");
            if (length < wanted && (error = file.SetLength(wanted)) != 0) throw new LinuxException($"enlarging {file.Path}", error);
            length = wanted;
        }

        if (length == 0 || length % UnitBytes != 0) throw new LinuxException($"{file.Path} has {length} bytes; persistent memory has a multiple of 2 MiB (give size=…)");
        return length;
    }
}
