using System.Numerics;
using System.Runtime.CompilerServices;
using Vmm.Core.Memory;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>
/// Memory that is shared with another process through a file, mapped here. The other process is not trusted: a file that it could cut short is
/// guarded, so that a page that is gone reads as zeros and ends nobody. All accesses are checked against the size.
/// </summary>
public sealed unsafe class SharedMapping : IDisposable
{
    /// <summary>The most that can be mapped at once: 4 TiB.</summary>
    public const ulong MostBytes = MappedMemory.MaximumBytes;

    private readonly nint _base;
    private readonly nuint _mappedBytes;
    private readonly bool _isGuarded;
    private int _isDisposed;

    private SharedMapping(LinuxFile file, ulong offset, ulong sizeBytes, string what)
    {
        if (sizeBytes == 0 || sizeBytes > MostBytes || offset > MostBytes) throw new LinuxException($"{what}: {sizeBytes} bytes at {offset} cannot be mapped");
        Libc.Stat stat = default;
        // SAFETY: a local that outlives the call.
        if (Libc.Fstat(file.Fd, &stat) != 0) throw LinuxException.FromLastError($"examining {what}");
        if (stat.SizeBytes < 0 || (ulong)stat.SizeBytes < offset + sizeBytes)
            throw new LinuxException($"{what}: {sizeBytes} bytes at {offset} are not in a file of {stat.SizeBytes} bytes");
        // From the beginning, because offsets into huge pages need not be multiples of their size.
        _mappedBytes = RoundUp(offset + sizeBytes, PageBytes(file));
        _base = Libc.Mmap(0, _mappedBytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED | Libc.MAP_NORESERVE, file.Fd, 0);
        if (_base == Libc.MAP_FAILED) throw LinuxException.FromLastError($"mapping {what}");
        (Address, SizeBytes) = (_base + (nint)offset, sizeBytes);
        _ = Libc.Madvise(_base, _mappedBytes, Libc.MADV_DONTDUMP);
        int seals = Libc.Fcntl(file.Fd, Libc.F_GET_SEALS, 0);
        if (seals >= 0 && (seals & Libc.F_SEAL_SHRINK) != 0) return;
        try
        {
            BusErrorGuard.Add(_base, _mappedBytes);
            _isGuarded = true;
        }
        catch
        {
            _ = Libc.Munmap(_base, _mappedBytes);
            throw;
        }
    }

    /// <summary>Where it is mapped.</summary>
    public nint Address { get; }

    /// <summary>Its length.</summary>
    public ulong SizeBytes { get; }

    /// <summary>Maps a part of a file that came from elsewhere. The file may be closed afterwards.</summary>
    /// <param name="file">A memfd or another file that can be mapped for writing.</param>
    /// <param name="offset">Where the part begins.</param>
    /// <param name="sizeBytes">Its length.</param>
    /// <param name="what">For messages: "guest memory".</param>
    /// <exception cref="LinuxException">The file is too short, or cannot be mapped.</exception>
    public static SharedMapping Map(LinuxFile file, ulong offset, ulong sizeBytes, string what) => new(file, offset, sizeBytes, what);

    /// <summary>Makes memory to be shared: zeros, of a size that nobody can change.</summary>
    /// <param name="name">For people, in /proc.</param>
    /// <param name="sizeBytes">Its length.</param>
    /// <param name="file">To be sent to the other process and closed.</param>
    /// <exception cref="LinuxException">The host has no memory for it.</exception>
    public static SharedMapping Create(string name, ulong sizeBytes, out LinuxFile file)
    {
        file = LinuxFile.FromResult(Libc.MemfdCreate(name, Libc.MFD_CLOEXEC | Libc.MFD_ALLOW_SEALING), $"making a memfd for {name}");
        try
        {
            if (Libc.Ftruncate(file.Fd, (nint)sizeBytes) != 0) throw LinuxException.FromLastError($"sizing a memfd for {name}");
            if (Libc.Fcntl(file.Fd, Libc.F_ADD_SEALS, Libc.F_SEAL_SHRINK | Libc.F_SEAL_GROW | Libc.F_SEAL_SEAL) < 0) throw LinuxException.FromLastError($"sealing {name}");
            return new SharedMapping(file, 0, sizeBytes, name);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>It, whole, as guest memory.</summary>
    /// <param name="start">Guest-physical address.</param>
    public GuestMemoryRegion Region(GuestAddress start) => new(start, SizeBytes, Address);

    /// <summary>Reads a value; what lies behind it in the program is read later.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not all of it lies within.</exception>
    public T Read<T>(ulong offset) where T : unmanaged
    {
        // SAFETY: At checked the range; the mapping lives until Dispose.
        T value = Unsafe.ReadUnaligned<T>(At(offset, (uint)sizeof(T)));
        Volatile.ReadBarrier();
        return value;
    }

    /// <summary>Writes a value; what stands before it in the program is written earlier.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not all of it lies within.</exception>
    public void Write<T>(ulong offset, T value) where T : unmanaged
    {
        byte* at = At(offset, (uint)sizeof(T));
        Volatile.WriteBarrier();
        // SAFETY: as in Read.
        Unsafe.WriteUnaligned(at, value);
    }

    /// <summary>Copies bytes out.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not all of them lie within.</exception>
    // SAFETY: At checked the range.
    public void Read(ulong offset, Span<byte> to) => new ReadOnlySpan<byte>(At(offset, (uint)to.Length), to.Length).CopyTo(to);

    /// <summary>Copies bytes in.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not all of them lie within.</exception>
    // SAFETY: At checked the range.
    public void Write(ulong offset, ReadOnlySpan<byte> from) => from.CopyTo(new Span<byte>(At(offset, (uint)from.Length), from.Length));

    /// <summary>Sets bits of a byte that others change at the same time.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It does not lie within.</exception>
    // SAFETY: as in Read.
    public void SetBits(ulong offset, byte bits) => AtomicFlags.Set(ref *At(offset, 1), bits);

    /// <summary>Unmaps it. Nobody may be using it.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0) return;
        if (_isGuarded) BusErrorGuard.Remove(_base);
        _ = Libc.Munmap(_base, _mappedBytes);
    }

    private byte* At(ulong offset, uint count)
    {
        if (offset > SizeBytes || count > SizeBytes - offset) throw new ArgumentOutOfRangeException(nameof(offset));
        return (byte*)Address + offset;
    }

    private static ulong PageBytes(LinuxFile file)
    {
        const long HUGETLBFS_MAGIC = 0x958458f6;
        Libc.StatfsBuffer facts = default;
        // SAFETY: a local that outlives the call.
        bool isHuge = Libc.Fstatfs(file.Fd, &facts) == 0 && facts.Type == HUGETLBFS_MAGIC && BitOperations.IsPow2(facts.BlockBytes);
        return isHuge ? (ulong)facts.BlockBytes : GuestAddress.PageSize;
    }

    private static nuint RoundUp(ulong bytes, ulong unit) => (nuint)((bytes + unit - 1) & ~(unit - 1));
}
