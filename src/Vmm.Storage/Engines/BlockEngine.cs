using System.Diagnostics;
using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Host.Aio;

namespace Vmm.Storage.Engines;

/// <summary>
/// Does a disk's I/O without holding up who asks: at once when the page cache can serve it, else through io_uring or on a thread. One for
/// each disk with all its backing files, so that a slow disk slows no other.
/// </summary>
public sealed class BlockEngine : IDisposable
{
    private const int MostThreads = 16;

    // A write to the page cache that took so long had to wait for the storage; so will the next ones.
    private static readonly long SlowTicks = Stopwatch.Frequency / 1000;
    private const int SlowWrites = 64;

    // Transfers have all they need; calls may wait for each other and for transfers. In one queue, a transfer could stand behind who waits for it.
    private readonly WorkPool _transfers, _calls;
    private readonly IoUring? _ring;
    private readonly Action<object?> _run;
    private readonly Stack<ImageTransfer> _free = new();
    private int _slowWrites;

    /// <param name="name">Of the disk, for thread names.</param>
    /// <param name="mode">By what means.</param>
    /// <exception cref="LinuxException">io_uring was asked for and cannot be had.</exception>
    public BlockEngine(string name, AioMode mode)
    {
        _run = transfer => ((ImageTransfer)transfer!).RunToEnd();
        try
        {
            if (mode != AioMode.Threads) _ring = new IoUring($"{name} ring", transfer => _transfers!.Post(_run, transfer));
        }
        catch (LinuxException e)
        {
            if (mode == AioMode.IoUring) throw;
            WhyThreads = e.Message;
        }

        _transfers = new WorkPool($"{name} I/O", MostThreads);
        _calls = new WorkPool($"{name} work", MostThreads);
    }

    /// <summary>"io_uring" or "threads".</summary>
    public string Name => _ring is null ? "threads" : "io_uring";

    /// <summary>Why it is not io_uring, when that would have been taken.</summary>
    public string? WhyThreads { get; }

    /// <summary>Has a call that blocks done on a thread.</summary>
    internal void Post(Action<object?> work, object? about) => _calls.Post(work, about);

    /// <summary>Begins a read or write of a file. False when it cannot be done like this.</summary>
    internal bool TryBegin(BlockFile file, ulong offset, BlockRequest request, DiskImageBase image, int ticket)
    {
        ImageTransfer transfer = Rent();
        if (!transfer.TryPrepare(file, offset, request))
        {
            Return(transfer);
            return false;
        }

        (transfer.Image, transfer.Request, transfer.Ticket) = (image, request, ticket);
        if (!file.IsDirect && TryNow(transfer)) transfer.Finish();
        else if (_ring is null || !_ring.TryAdd(transfer)) _transfers.Post(_run, transfer);
        return true;
    }

    /// <summary>Hands over what was held back.</summary>
    internal void Submit() => _ring?.Submit();

    internal void Return(ImageTransfer transfer)
    {
        lock (_free) _free.Push(transfer);
    }

    /// <summary>Waits for what is under way.</summary>
    public void Dispose()
    {
        _ring?.Dispose();
        _transfers.Dispose();
        _calls.Dispose();
    }

    private bool TryNow(ImageTransfer transfer)
    {
        if (!transfer.IsWrite) return transfer.TryNow();
        if (Volatile.Read(ref _slowWrites) > 0)
        {
            Interlocked.Decrement(ref _slowWrites);
            return false;
        }

        long start = Stopwatch.GetTimestamp();
        bool isDone = transfer.TryNow();
        if (Stopwatch.GetTimestamp() - start > SlowTicks) Volatile.Write(ref _slowWrites, SlowWrites);
        return isDone;
    }

    private ImageTransfer Rent()
    {
        lock (_free)
        {
            if (_free.TryPop(out ImageTransfer? transfer)) return transfer;
        }

        return new ImageTransfer(this);
    }
}
