namespace Vmm.Storage.Engines;

/// <summary>A few threads for calls that block. They are made when they are needed and end with the pool.</summary>
internal sealed class WorkPool : IDisposable
{
    private const int StackBytes = 512 * 1024;

    private readonly object _gate = new();
    private readonly string _name;
    private readonly int _mostThreads;
    private readonly Queue<(Action<object?> Work, object? About)> _queue = new();
    private readonly List<Thread> _threads = [];
    private int _idle;
    private bool _isStopping;

    public WorkPool(string name, int mostThreads) => (_name, _mostThreads) = (name, mostThreads);

    /// <summary>Has something done soon. The work must not throw.</summary>
    public void Post(Action<object?> work, object? about)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isStopping, this);
            _queue.Enqueue((work, about));
            if (_queue.Count <= _idle || _threads.Count == _mostThreads)
            {
                Monitor.Pulse(_gate);
                return;
            }

            Thread thread = new(Loop, StackBytes) { Name = $"{_name} {_threads.Count}", IsBackground = true };
            _threads.Add(thread);
            thread.Start();
        }
    }

    /// <summary>Does what was posted, then ends the threads.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isStopping = true;
            Monitor.PulseAll(_gate);
        }

        foreach (Thread thread in _threads) thread.Join();
    }

    private void Loop()
    {
        while (true)
        {
            (Action<object?> Work, object? About) next;
            lock (_gate)
            {
                _idle++;
                while (_queue.Count == 0 && !_isStopping) Monitor.Wait(_gate);
                _idle--;
                if (!_queue.TryDequeue(out next)) return;
            }

            next.Work(next.About);
        }
    }
}
