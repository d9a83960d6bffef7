using Vmm.Core.Backends;

namespace Vmm.Host;

/// <summary>
/// A thread of its own for each piece of work, asleep on an eventfd: a doorbell in the kernel wakes it without another thread in between.
/// </summary>
public sealed class ThreadWorkers : IWorkers
{
    /// <inheritdoc/>
    /// <exception cref="LinuxException">No descriptor is free.</exception>
    public IWorker Create(string name, Action work) => new Worker(name, work);

    private sealed class Worker : IWorker
    {
        private readonly Lock _gate = new();
        private readonly EventFd _wakes = EventFd.NewBlocking();
        private readonly Action _work;
        private readonly Thread _thread;
        private int _isAwake;
        private volatile bool _isDisposed;

        public Worker(string name, Action work)
        {
            _work = work;
            WakeDescriptor = _wakes.Fd;
            _thread = new Thread(Loop) { Name = name, IsBackground = true };
            _thread.Start();
        }

        public int WakeDescriptor { get; }

        public void Wake()
        {
            // A worker that is awake looks at the flag before it sleeps; so does one that wakes itself.
            if (Interlocked.Exchange(ref _isAwake, 1) != 0 || Thread.CurrentThread == _thread) return;
            lock (_gate)
            {
                if (!_isDisposed) _wakes.Signal();
            }
        }

        public void Dispose()
        {
            lock (_gate)
            {
                if (!_isDisposed)
                {
                    _isDisposed = true;
                    _wakes.Signal();
                }
            }

            if (Thread.CurrentThread != _thread) _thread.Join();
        }

        private void Loop()
        {
            while (true)
            {
                if (Volatile.Read(ref _isAwake) == 0) _wakes.Wait();
                if (_isDisposed) break;
                // Before the work, so that a wake in the middle of it is another one.
                Interlocked.Exchange(ref _isAwake, 0);
                _work();
            }

            // Whoever signals holds the lock.
            lock (_gate) _wakes.Dispose();
        }
    }
}
