using Vmm.Core.Backends;
using Vmm.Storage.Engines;

namespace Vmm.Storage;

/// <summary>
/// Requests that end later. Bytes that lie in the file as they are go to the engine; the rest is carried out by the blocking calls: reads
/// on any thread, changes one after the other, flushes together.
/// </summary>
public abstract partial class DiskImageBase
{
    private readonly Lock _turns = new();
    private readonly Queue<BlockRequest> _changes = new();
    private readonly object _ends = new();
    private List<BlockRequest> _flushes = [];
    private List<BlockRequest> _flushing = [];
    private Action<object?>? _runRead, _runChanges, _runFlushes;
    private BlockEngine? _engine;
    private bool _ownsEngine, _isChanging, _isFlushing, _isDisposing;
    private int _begun;

    /// <inheritdoc/>
    public virtual BlockLimits Limits => BlockLimits.Sectors;

    /// <summary>Who does the I/O of <see cref="Begin"/>. Without one, <see cref="Begin"/> blocks.</summary>
    protected BlockEngine? Engine => _engine;

    /// <inheritdoc/>
    public void Begin(BlockRequest request)
    {
        if (_engine is null)
        {
            BlockResult result = Execute(request, out ImageException? failure);
            Tell(request, result, failure);
            request.End(result);
            return;
        }

        Interlocked.Increment(ref _begun);
        BlockResult refusal = Judge(request);
        if (refusal != BlockResult.Ok) End(request, refusal);
        else if (request.Operation == BlockOperation.Flush) JoinFlush(request);
        else if (request.Operation is not (BlockOperation.Read or BlockOperation.Write) || !TryBeginTransfer(request)) BeginLater(request);
    }

    /// <inheritdoc/>
    public void Submit() => _engine?.Submit();

    /// <summary>Has <see cref="Begin"/> use an engine, which is taken over; what lies below uses it, too. Before any request.</summary>
    public void UseEngine(BlockEngine engine)
    {
        ShareEngine(engine);
        _ownsEngine = true;
    }

    internal void TransferEnded(BlockRequest request, int ticket, int error)
    {
        LeaveTransfer(ticket);
        if (error == 0)
        {
            End(request, BlockResult.Ok);
            return;
        }

        ImageException failure = HostImageFile.Failure(Name, request.Operation == BlockOperation.Write ? "writing" : "reading", error);
        Finish(request, Failed(failure), failure);
    }

    /// <summary>Begins a read or write without blocking, if it lies in the file as it is.</summary>
    /// <returns>True when it is under way or has ended by <see cref="End"/>; false: nothing has happened.</returns>
    protected virtual bool TryBeginTransfer(BlockRequest request) => false;

    /// <summary>Gives back what <see cref="TryBeginTransfer"/> has taken for a transfer.</summary>
    protected virtual void LeaveTransfer(int ticket)
    {
    }

    /// <summary>Whether a request that is carried out by the blocking calls waits for its turn among the changes.</summary>
    protected virtual bool TakesTurns(BlockRequest request) => request.Operation != BlockOperation.Read;

    /// <summary>
    /// Whether what has ended must be found by whoever opens the image next, although this process was killed: <see cref="SettleTables"/> then
    /// comes between a change and its end. Otherwise what a kill leaves is what was flushed. Before any request.
    /// </summary>
    public bool SurvivesKill { get; set; }

    /// <summary>Brings the tables into the file, in an order that a crash can cut anywhere, without waiting for the storage at the end.</summary>
    private protected virtual void SettleTables()
    {
    }

    /// <summary>What can be done when those who waited for a flush wait no longer.</summary>
    protected virtual void AfterFlush()
    {
    }

    /// <summary>A request that was begun has ended.</summary>
    protected void End(BlockRequest request, BlockResult result) => Finish(request, result, null);

    private void Finish(BlockRequest request, BlockResult result, ImageException? failure)
    {
        Tell(request, result, failure);
        request.End(result);
        NoteEnd();
    }

    /// <summary>Passes a transfer that has begun here on to the image below, which answers for it from then on.</summary>
    /// <returns>False: nothing has happened.</returns>
    private protected bool TryBeginOn(DiskImageBase below, BlockRequest request, int ticket)
    {
        Interlocked.Increment(ref below._begun);
        if (!below.TryBeginTransfer(request))
        {
            below.NoteEnd();
            return false;
        }

        LeaveTransfer(ticket);
        NoteEnd();
        return true;
    }

    private void NoteEnd()
    {
        if (Interlocked.Decrement(ref _begun) != 0 || !Volatile.Read(ref _isDisposing)) return;
        lock (_ends) Monitor.PulseAll(_ends);
    }

    private void ShareEngine(BlockEngine engine)
    {
        _engine = engine;
        _runRead = RunOne;
        _runChanges = RunChanges;
        _runFlushes = RunFlushes;
        (Backing as DiskImageBase)?.ShareEngine(engine);
    }

    private BlockResult Judge(BlockRequest request)
    {
        if (request.Operation == BlockOperation.Flush) return BlockResult.Ok;
        if (!IsInside(request.Offset, request.Count)) return BlockResult.OutOfRange;
        return IsReadOnly && request.Operation != BlockOperation.Read ? BlockResult.ReadOnly : BlockResult.Ok;
    }

    private void BeginLater(BlockRequest request)
    {
        // Changes that must survive end in groups, with their tables.
        if (SurvivesKill ? request.Operation == BlockOperation.Read : !TakesTurns(request))
        {
            _engine!.Post(_runRead!, request);
            return;
        }

        lock (_turns)
        {
            _changes.Enqueue(request);
            if (_isChanging) return;
            _isChanging = true;
        }

        _engine!.Post(_runChanges!, null);
    }

    private void RunOne(object? request)
    {
        BlockResult result = Execute((BlockRequest)request!, out ImageException? failure);
        Finish((BlockRequest)request!, result, failure);
    }

    private BlockResult Execute(BlockRequest request, out ImageException? failure)
    {
        t_failure = null;
        BlockResult result = ((IBlockBackend)this).Execute(request);
        failure = TakeFailure();
        return result;
    }

    private static ImageException? TakeFailure()
    {
        ImageException? failure = t_failure;
        t_failure = null;
        return failure;
    }

    private void RunChanges(object? nothing)
    {
        if (SurvivesKill)
        {
            RunChangesInGroups();
            return;
        }

        while (true)
        {
            BlockRequest? request;
            lock (_turns)
            {
                _isChanging = _changes.TryDequeue(out request);
                if (!_isChanging) return;
            }

            RunOne(request);
        }
    }

    // The tables go out once for all that wait for their turn together.
    private void RunChangesInGroups()
    {
        const int Most = 64;
        List<(BlockRequest Request, BlockResult Result, ImageException? Failure)> done = new(Most);
        while (true)
        {
            BlockRequest? request;
            lock (_turns)
            {
                bool isAny = _changes.TryDequeue(out request);
                if (!isAny && done.Count == 0)
                {
                    _isChanging = false;
                    return;
                }
            }

            if (request is not null) done.Add((request, Execute(request, out ImageException? why), why));
            if (request is not null && done.Count < Most) continue;
            BlockResult tables = TrySettleTables();
            ImageException? tablesFailure = TakeFailure();
            foreach ((BlockRequest ended, BlockResult result, ImageException? failure) in done)
                Finish(ended, result == BlockResult.Ok ? tables : result, result == BlockResult.Ok ? tablesFailure : failure);
            done.Clear();
        }
    }

    private BlockResult TrySettleTables()
    {
        try
        {
            SettleTables();
            return BlockResult.Ok;
        }
        catch (ImageException e)
        {
            return Failed(e);
        }
    }

    private void JoinFlush(BlockRequest request)
    {
        lock (_turns)
        {
            _flushes.Add(request);
            if (_isFlushing) return;
            _isFlushing = true;
        }

        _engine!.Post(_runFlushes!, null);
    }

    // One flush for all that wait for one when it begins.
    private void RunFlushes(object? nothing)
    {
        while (true)
        {
            lock (_turns)
            {
                _isFlushing = _flushes.Count != 0;
                if (!_isFlushing) return;
                (_flushes, _flushing) = (_flushing, _flushes);
            }

            BlockResult result = FlushTables();
            ImageException? failure = TakeFailure();
            foreach (BlockRequest request in _flushing) Finish(request, result, failure);
            _flushing.Clear();
            Tidy();
        }
    }

    // Who was begun ends first; then nobody is left who could use what goes now.
    private void WaitForBegun()
    {
        Volatile.Write(ref _isDisposing, true);
        _engine?.Submit();
        lock (_ends)
        {
            while (Volatile.Read(ref _begun) != 0) Monitor.Wait(_ends, millisecondsTimeout: 100);
        }
    }
}
