using Vmm.Core.Backends;

namespace Vmm.Host;

/// <summary>A thread of its own for each piece of work.</summary>
public sealed class ThreadWorkers : IWorkers
{
    /// <inheritdoc/>
    public IWorker Create(string name, Action work) => new Worker(name, work);

    private sealed class Worker : IWorker
    {
        private readonly object _gate = new();
        private readonly Action _work;
        private readonly Thread _thread;
        private bool _isAwake;
        private bool _isDisposed;

        public Worker(string name, Action work)
        {
            _work = work;
            _thread = new Thread(Loop) { Name = name, IsBackground = true };
            _thread.Start();
        }

        public void Wake()
        {
            lock (_gate)
            {
                _isAwake = true;
                Monitor.Pulse(_gate);
            }
        }

        public void Dispose()
        {
            lock (_gate)
            {
                _isDisposed = true;
                Monitor.Pulse(_gate);
            }

            if (Thread.CurrentThread != _thread) _thread.Join();
        }

        private void Loop()
        {
            while (true)
            {
                lock (_gate)
                {
                    while (!_isAwake && !_isDisposed) Monitor.Wait(_gate);
                    if (_isDisposed) return;
                    _isAwake = false;
                }

                _work();
            }
        }
    }
}
