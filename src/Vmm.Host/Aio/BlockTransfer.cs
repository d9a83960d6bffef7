using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host.Native;

namespace Vmm.Host.Aio;

/// <summary>One read or write of a file on its way, by whatever means: at once, through an <see cref="IoUring"/>, on a thread. Reused.</summary>
public abstract unsafe class BlockTransfer
{
    /// <summary>IOV_MAX: the kernel takes no more vectors at once.</summary>
    public const int MostVectors = 1024;

    private BlockFile? _file;

    // Kept so that its memory is, for as long as the kernel may use it.
    private BlockRequest? _request;
    private IoVec* _vectors;
    private int _count;
    private ulong _left;
    private int _error;
    private int _ticket;

    /// <summary>Says what is to be done, if it can be done without a thread.</summary>
    /// <param name="file">The file; stays open until the end.</param>
    /// <param name="offset">Where in the file.</param>
    /// <param name="request">Its vectors are the memory, and are used up; they are pinned.</param>
    /// <returns>False when only <see cref="BlockFile"/>'s calls that block can do it: too many vectors, or direct I/O that is not aligned.</returns>
    public bool TryPrepare(BlockFile file, ulong offset, BlockRequest request)
    {
        bool isWrite = request.Operation == BlockOperation.Write;
        if (request.VectorCount > MostVectors || !file.TryEnter(isWrite, offset, request.Vectors, out _ticket)) return false;
        // SAFETY: a request's vectors are on the pinned heap, and the request is kept alive until the end.
        _vectors = (IoVec*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(request.Vectors));
        (_file, _request, Offset, _count, _left, _error) = (file, request, offset, request.VectorCount, request.Count, 0);
        IsWrite = isWrite;
        return true;
    }

    public bool IsWrite { get; private set; }

    /// <summary>Others wait until this has ended: it must be on its way at once.</summary>
    internal bool HoldsOthersUp => _ticket >= 0;

    internal int Fd => _file!.Fd;

    internal ulong Offset { get; private set; }

    internal nint Vectors => (nint)_vectors;

    internal int VectorCount => _count;

    /// <summary>Does what can be done without waiting for the storage; a write to the page cache may wait all the same.</summary>
    /// <returns>True when that was all, and <see cref="Finish"/> is due; else the rest is left to other means.</returns>
    public bool TryNow()
    {
        while (true)
        {
            nint done = IsWrite ? Libc.Pwritev(Fd, _vectors, _count, (nint)Offset) : Libc.Preadv2(Fd, _vectors, _count, (nint)Offset, Libc.RWF_NOWAIT);
            if (done < 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error == Errno.EINTR) continue;
                if (!IsWrite && error is Errno.EAGAIN or Errno.EOPNOTSUPP) return false;
                done = -error;
            }

            if (Advance(done)) return true;
        }
    }

    /// <summary>Does it, however long that takes, and finishes.</summary>
    public void RunToEnd()
    {
        nint done;
        do
        {
            done = IsWrite ? Libc.Pwritev(Fd, _vectors, _count, (nint)Offset) : Libc.Preadv(Fd, _vectors, _count, (nint)Offset);
            if (done < 0) done = -Marshal.GetLastPInvokeError();
        }
        while (done == -Errno.EINTR || !Advance(done));

        Finish();
    }

    /// <summary>Tells the owner. After this the transfer is the owner's again.</summary>
    public void Finish()
    {
        _file!.Leave(_ticket);
        (_file, _request) = (null, null);
        Ended(_error);
    }

    /// <summary>Takes note of what the kernel did: bytes, or an error number below zero.</summary>
    /// <returns>True when nothing is left to do.</returns>
    internal bool Advance(nint result)
    {
        if (result < 0)
        {
            _error = (int)-result;
            return true;
        }

        if (result == 0 && _left != 0)
        {
            // Beyond the end of the file there are zeros; a write must get on.
            if (IsWrite) _error = Errno.EIO;
            else new IoCursor(new ReadOnlySpan<IoVec>(_vectors, _count)).Clear(_left);
            return true;
        }

        Offset += (ulong)result;
        _left -= (ulong)result;
        if (_left == 0) return true;
        nuint skip = (nuint)result;
        while (skip >= _vectors->SizeBytes)
        {
            skip -= _vectors->SizeBytes;
            _vectors++;
            _count--;
        }

        *_vectors = new IoVec(_vectors->HostAddress + (nint)skip, _vectors->SizeBytes - skip);
        if (IsWrite || !_file!.IsCutShort(result)) return false;
        new IoCursor(new ReadOnlySpan<IoVec>(_vectors, _count)).Clear(_left);
        return true;
    }

    /// <summary>The end: 0 or an error number. Any thread; must not block.</summary>
    protected abstract void Ended(int error);
}
