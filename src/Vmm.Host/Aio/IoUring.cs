using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host.Aio;

/// <summary>
/// An io_uring for reads and writes of files, with a thread that takes the completions (io_uring(7)). Any thread may add and submit.
/// </summary>
/// <remarks>The kernel cancels what a thread submitted when that thread ends; such transfers are given to <c>fallback</c>.</remarks>
public sealed unsafe class IoUring : IDisposable
{
    private const uint SubmissionEntries = 256;
    private const int MostInFlight = 1024;
    private const ulong StopToken = ulong.MaxValue;
    private const uint NeededFeatures = Libc.IORING_FEAT_SINGLE_MMAP | Libc.IORING_FEAT_NODROP | Libc.IORING_FEAT_SUBMIT_STABLE;

    private readonly object _gate = new();
    private readonly LinuxFile _file;
    private readonly Libc.IoUringParams _layout;
    private readonly Action<BlockTransfer> _fallback;
    private readonly BlockTransfer?[] _inFlight = new BlockTransfer?[MostInFlight];
    private readonly int[] _free = new int[MostInFlight];
    private readonly Thread _thread;
    private readonly nuint _ringBytes, _entriesBytes;
    private readonly byte* _ring;
    private readonly Libc.IoUringSqe* _entries;
    private int _freeCount = MostInFlight;
    private uint _waiting;
    private bool _isStopping;

    /// <param name="name">Name of the thread.</param>
    /// <param name="fallback">Takes transfers that the ring could not bring to an end. Called on any thread; must not block.</param>
    /// <exception cref="LinuxException">The host has no io_uring, or not for us.</exception>
    public IoUring(string name, Action<BlockTransfer> fallback)
    {
        _fallback = fallback;
        for (int i = 0; i < MostInFlight; i++) _free[i] = i;
        Libc.IoUringParams layout = new() { Flags = Libc.IORING_SETUP_CQSIZE | Libc.IORING_SETUP_R_DISABLED, CqEntries = 2 * MostInFlight };
        // SAFETY: a local that outlives the call.
        _file = LinuxFile.FromResult((int)Libc.Syscall(Libc.SYS_io_uring_setup, (nint)SubmissionEntries, (nint)(&layout)), "making an io_uring");
        _layout = layout;
        try
        {
            if ((layout.Features & NeededFeatures) != NeededFeatures) throw new LinuxException("this kernel's io_uring is too old");
            _ringBytes = Math.Max(layout.SqArray + layout.SqEntries * sizeof(uint), layout.CqCqes + layout.CqEntries * (uint)sizeof(Libc.IoUringCqe));
            _entriesBytes = layout.SqEntries * (nuint)sizeof(Libc.IoUringSqe);
            _ring = Map(_ringBytes, Libc.IORING_OFF_SQ_RING);
            _entries = (Libc.IoUringSqe*)Map(_entriesBytes, Libc.IORING_OFF_SQES);
            Restrict();
        }
        catch
        {
            Unmap();
            throw;
        }

        // Submission slot n is always entry n.
        for (uint i = 0; i < layout.SqEntries; i++) ((uint*)(_ring + layout.SqArray))[i] = i;
        _thread = new Thread(Reap, 256 * 1024) { Name = name, IsBackground = true };
        _thread.Start();
    }

    /// <summary>Adds a transfer, which begins at the next <see cref="Submit"/> or before it; at once when others have to wait for it, who
    /// may hold what the caller needs before it submits.</summary>
    /// <returns>False when too many are under way: the transfer stays the caller's.</returns>
    public bool TryAdd(BlockTransfer transfer)
    {
        lock (_gate)
        {
            if (_isStopping || _freeCount == 0) return false;
            int slot = _free[--_freeCount];
            _inFlight[slot] = transfer;
            byte operation = transfer.IsWrite ? Libc.IORING_OP_WRITEV : Libc.IORING_OP_READV;
            Put(new() { Opcode = operation, Fd = transfer.Fd, Offset = transfer.Offset, Address = (ulong)transfer.Vectors, Length = (uint)transfer.VectorCount, UserData = (ulong)slot });
            if (transfer.HoldsOthersUp) Flush();
            return true;
        }
    }

    /// <summary>Hands over to the kernel what was added.</summary>
    public void Submit()
    {
        if (Volatile.Read(ref _waiting) == 0) return;
        lock (_gate) Flush();
    }

    /// <summary>Waits for everything that is under way. Nothing may be added any more.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isStopping) return;
            _isStopping = true;
            Flush();
            while (_freeCount != MostInFlight) Monitor.Wait(_gate);
            Put(new() { Opcode = Libc.IORING_OP_NOP, UserData = StopToken });
            Flush();
        }

        _thread.Join();
        Unmap();
    }

    private ref uint Word(uint offset) => ref *(uint*)(_ring + offset);

    private void Put(in Libc.IoUringSqe entry)
    {
        // SAFETY: the kernel consumes entries in Flush, so at most SqEntries - 1 wait when one more is put.
        uint tail = Word(_layout.SqTail);
        _entries[tail & Word(_layout.SqRingMask)] = entry;
        Volatile.Write(ref Word(_layout.SqTail), tail + 1);
        if (++_waiting == _layout.SqEntries) Flush();
    }

    private void Flush()
    {
        while (_waiting != 0)
        {
            nint taken = Libc.Syscall(Libc.SYS_io_uring_enter, _file.Fd, (nint)_waiting, 0, 0, 0, 0);
            if (taken > 0) _waiting -= (uint)taken;
            // EAGAIN and EBUSY: the kernel is short of memory, or completions wait to be taken, which the other thread does.
            else if (Marshal.GetLastPInvokeError() is Errno.EAGAIN or Errno.EBUSY) Thread.Yield();
        }
    }

    private void Reap()
    {
        while (true)
        {
            uint head = Word(_layout.CqHead);
            uint tail = Volatile.Read(ref Word(_layout.CqTail));
            if (head == tail)
            {
                // SAFETY: no pointer is passed. An interrupted wait is simply repeated.
                _ = Libc.Syscall(Libc.SYS_io_uring_enter, _file.Fd, 0, 1, (nint)Libc.IORING_ENTER_GETEVENTS, 0, 0);
                continue;
            }

            Libc.IoUringCqe completion = ((Libc.IoUringCqe*)(_ring + _layout.CqCqes))[head & Word(_layout.CqRingMask)];
            Volatile.Write(ref Word(_layout.CqHead), head + 1);
            if (completion.UserData == StopToken) return;
            Complete(completion);
            // What was added again goes on with the last of a batch.
            if (head + 1 == tail) Submit();
        }
    }

    private void Complete(Libc.IoUringCqe completion)
    {
        BlockTransfer transfer = Release((int)completion.UserData);
        if (completion.Result is -Errno.EAGAIN or -Errno.EINTR or -Errno.ECANCELED)
        {
            _fallback(transfer);
            return;
        }

        if (transfer.Advance(completion.Result)) transfer.Finish();
        else if (!TryAdd(transfer)) _fallback(transfer);
    }

    private BlockTransfer Release(int slot)
    {
        lock (_gate)
        {
            BlockTransfer transfer = _inFlight[slot]!;
            _inFlight[slot] = null;
            _free[_freeCount++] = slot;
            if (_isStopping) Monitor.PulseAll(_gate);
            return transfer;
        }
    }

    /// <summary>Has the ring do what it is for and nothing else: filters of system calls do not see what goes through it.</summary>
    private void Restrict()
    {
        ReadOnlySpan<byte> operations = [Libc.IORING_OP_NOP, Libc.IORING_OP_READV, Libc.IORING_OP_WRITEV];
        Libc.IoUringRestriction* allowed = stackalloc Libc.IoUringRestriction[operations.Length];
        for (int i = 0; i < operations.Length; i++) allowed[i] = new() { Kind = Libc.IORING_RESTRICTION_SQE_OP, Operation = operations[i] };
        // SAFETY: an array of so many on the stack, which the kernel copies.
        if (Libc.Syscall(Libc.SYS_io_uring_register, _file.Fd, (nint)Libc.IORING_REGISTER_RESTRICTIONS, (nint)allowed, operations.Length, 0, 0) != 0
            || Libc.Syscall(Libc.SYS_io_uring_register, _file.Fd, (nint)Libc.IORING_REGISTER_ENABLE_RINGS, 0, 0, 0, 0) != 0) throw LinuxException.FromLastError("restricting an io_uring");
    }

    private byte* Map(nuint bytes, nint offset)
    {
        nint at = Libc.Mmap(0, bytes, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED, _file.Fd, offset);
        return at != Libc.MAP_FAILED ? (byte*)at : throw LinuxException.FromLastError("mapping an io_uring");
    }

    private void Unmap()
    {
        if (_entries != null) _ = Libc.Munmap((nint)_entries, _entriesBytes);
        if (_ring != null) _ = Libc.Munmap((nint)_ring, _ringBytes);
        _file.Dispose();
    }
}
