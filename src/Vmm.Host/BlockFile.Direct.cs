using System.Runtime.InteropServices;
using Vmm.Core.Memory;
using Vmm.Host.Aio;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>
/// I/O past the page cache (open(2), O_DIRECT). The kernel wants place, length and memory aligned; what is not goes through a buffer, and a
/// write that covers blocks in part reads them first, with all other writes kept out.
/// </summary>
public sealed unsafe partial class BlockFile
{
    private const uint UnknownAlignment = 4096;
    private const nuint BounceBytes = 1 << 20;

    private readonly SharedAccess _writers = new();
    private readonly uint _alignment;

    /// <summary>The page cache is passed by.</summary>
    public bool IsDirect => _alignment != 0;

    /// <summary>Lets a write in flight in; reads need nothing. False: only the calls that block can do it.</summary>
    internal bool TryEnter(bool isWrite, ulong offset, ReadOnlySpan<IoVec> vectors, out int ticket)
    {
        ticket = -1;
        if (!IsDirect) return true;
        return IsAligned(offset, vectors) && (!isWrite || _writers.TryEnter(out ticket));
    }

    internal void Leave(int ticket)
    {
        if (ticket >= 0) _writers.Leave(ticket);
    }

    /// <summary>A direct read that ended within a block has reached the end of the file.</summary>
    internal bool IsCutShort(nint done) => IsDirect && (done & (nint)(_alignment - 1)) != 0;

    private static uint DirectAlignment(LinuxFile file, bool isBlockDevice)
    {
        Libc.StatxFacts facts;
        // SAFETY: locals that outlive the calls.
        if (Libc.Statx(file.Fd, "", Libc.AT_EMPTY_PATH, Libc.STATX_DIOALIGN, &facts) == 0 && (facts.Mask & Libc.STATX_DIOALIGN) != 0)
        {
            if (facts.DirectOffsetAlignment == 0) throw new LinuxException("this file system has no I/O past the page cache (cache=none)");
            return Math.Max(facts.DirectMemoryAlignment, facts.DirectOffsetAlignment);
        }

        int bytes;
        return isBlockDevice && Libc.Ioctl(file.Fd, Libc.BLKSSZGET, (nint)(&bytes)) == 0 ? (uint)bytes : UnknownAlignment;
    }

    private static uint PhysicalBlock(LinuxFile file, bool isBlockDevice, ulong preferredBytes)
    {
        const uint Least = 512, Most = 64 << 10;
        uint bytes = 0;
        // SAFETY: a local that outlives the call.
        if (!isBlockDevice || Libc.Ioctl(file.Fd, Libc.BLKPBSZGET, (nint)(&bytes)) != 0) bytes = (uint)Math.Min(preferredBytes, Most);
        return ulong.IsPow2(bytes) ? Math.Clamp(bytes, Least, Most) : Least;
    }

    private bool IsAligned(ulong offset, ReadOnlySpan<IoVec> vectors)
    {
        ulong all = offset;
        foreach (ref readonly IoVec vector in vectors) all |= (ulong)vector.HostAddress | vector.SizeBytes;
        return (all & (_alignment - 1)) == 0;
    }

    // Whatever the memory is: no block is covered in part.
    private bool HasWholeBlocks(ulong offset, ReadOnlySpan<IoVec> vectors)
        => IoCursor.TrySum(vectors, out ulong count) && ((offset | count) & (_alignment - 1)) == 0;

    private int TransferDirect(ulong offset, ReadOnlySpan<IoVec> vectors, bool isWrite)
    {
        bool isAligned = IsAligned(offset, vectors);
        if (!isWrite) return isAligned ? TransferPlain(offset, vectors, isWrite: false) : ReadBounced(offset, vectors);
        if (!isAligned && !HasWholeBlocks(offset, vectors))
        {
            _writers.EnterAlone();
            try
            {
                return WriteBounced(offset, vectors);
            }
            finally
            {
                _writers.LeaveAlone();
            }
        }

        int ticket = _writers.Enter();
        try
        {
            return isAligned ? TransferPlain(offset, vectors, isWrite: true) : WriteBounced(offset, vectors);
        }
        finally
        {
            _writers.Leave(ticket);
        }
    }

    private int ReadBounced(ulong offset, ReadOnlySpan<IoVec> vectors)
    {
        if (!IoCursor.TrySum(vectors, out ulong count)) return Errno.EINVAL;
        IoCursor cursor = new(vectors);
        byte* buffer = NewBounceBuffer(offset, count);
        try
        {
            while (count != 0)
            {
                (ulong start, uint skip, uint part, uint whole) = Piece(offset, count);
                int error = TransferBuffer(start, buffer, whole, isWrite: false);
                if (error != 0) return error;
                // SAFETY: Piece keeps skip + part within whole, and whole within the buffer.
                cursor.Fill(new ReadOnlySpan<byte>(buffer + skip, (int)part));
                offset += part;
                count -= part;
            }

            return 0;
        }
        finally
        {
            NativeMemory.AlignedFree(buffer);
        }
    }

    private int WriteBounced(ulong offset, ReadOnlySpan<IoVec> vectors)
    {
        if (!IoCursor.TrySum(vectors, out ulong count)) return Errno.EINVAL;
        int error = GetLength(out ulong length);
        ulong end = offset + count;
        IoCursor cursor = new(vectors);
        byte* buffer = NewBounceBuffer(offset, count);
        try
        {
            while (count != 0 && error == 0)
            {
                (ulong start, uint skip, uint part, uint whole) = Piece(offset, count);
                // Only the first and the last block of a piece can be covered in part; to read all of it is rare and simple.
                if (part != whole) error = TransferBuffer(start, buffer, whole, isWrite: false);
                if (error != 0) return error;
                // SAFETY: as in ReadBounced.
                cursor.Drain(new Span<byte>(buffer + skip, (int)part));
                error = TransferBuffer(start, buffer, whole, isWrite: true);
                offset += part;
                count -= part;
            }
        }
        finally
        {
            NativeMemory.AlignedFree(buffer);
        }

        // A last block that reached beyond the end must not make the file longer than was asked.
        if (error == 0 && !IsBlockDevice && (end & (_alignment - 1)) != 0 && end + _alignment > length) error = SetLength(Math.Max(length, end));
        return error;
    }

    private byte* NewBounceBuffer(ulong offset, ulong count)
        => (byte*)NativeMemory.AlignedAlloc((nuint)Math.Min(BounceBytes, (offset & (_alignment - 1)) + count + _alignment), _alignment);

    private (ulong Start, uint Skip, uint Part, uint Whole) Piece(ulong offset, ulong count)
    {
        uint skip = (uint)(offset & (_alignment - 1));
        uint part = (uint)Math.Min(count, (ulong)BounceBytes - skip);
        return (offset - skip, skip, part, (skip + part + _alignment - 1) & ~(_alignment - 1));
    }

    private int TransferBuffer(ulong offset, byte* buffer, uint count, bool isWrite)
    {
        IoVec vector = new((nint)buffer, count);
        return TransferPlain(offset, new ReadOnlySpan<IoVec>(in vector), isWrite);
    }
}
