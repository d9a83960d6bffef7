using Vmm.Core.Backends;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>
/// A thread of its own for each piece of work, asleep on an eventfd: a doorbell in the kernel wakes it without another thread in between.
/// </summary>
public sealed class ThreadWorkers : IWorkers
{
    /// <inheritdoc/>
    /// <exception cref="LinuxException">No descriptor is free.</exception>
    public IWorker Create(string name, Action work) => new Worker(name, work);

    private sealed unsafe class Worker : IWorker
    {
        private const int EventsAtOnce = 4;

        private readonly Lock _gate = new();
        private readonly LinuxFile _epoll;
        private readonly EventFd _wakes = new();
        private readonly Action _work;
        private readonly Thread _thread;
        private int _isAwake;
        private volatile bool _isDisposed;

        public Worker(string name, Action work)
        {
            _work = work;
            WakeDescriptor = _wakes.Fd;
            _epoll = LinuxFile.FromResult(Libc.EpollCreate1(Libc.EPOLL_CLOEXEC), "making an epoll instance");
            if (!TryListen(WakeDescriptor)) throw LinuxException.FromLastError("watching an eventfd");
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

        // Every signal is an edge, so that the counts need not be taken: a wake costs one call of the kernel, and whoever else holds the
        // descriptor cannot keep this thread asleep by taking them.
        public bool TryListen(int descriptor)
        {
            Libc.EpollEvent change = new() { Events = (uint)(EpollEvents.Readable | EpollEvents.EdgeTriggered) };
            lock (_gate)
            {
                // SAFETY: a local that outlives the call.
                return !_isDisposed && Libc.EpollCtl(_epoll.Fd, Libc.EPOLL_CTL_ADD, descriptor, &change) == 0;
            }
        }

        public void StopListening(int descriptor)
        {
            lock (_gate)
            {
                if (!_isDisposed) _ = Libc.EpollCtl(_epoll.Fd, Libc.EPOLL_CTL_DEL, descriptor, null);
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
            Libc.EpollEvent* events = stackalloc Libc.EpollEvent[EventsAtOnce];
            int epoll = _epoll.Fd;
            while (true)
            {
                // SAFETY: the array holds EventsAtOnce entries. An interrupted wait is a wake more than was asked for.
                if (Volatile.Read(ref _isAwake) == 0) _ = Libc.EpollWait(epoll, events, EventsAtOnce, -1);
                if (_isDisposed) break;
                // Before the work, so that a wake in the middle of it is another one.
                Interlocked.Exchange(ref _isAwake, 0);
                _work();
            }

            // Whoever signals holds the lock.
            lock (_gate)
            {
                _wakes.Dispose();
                _epoll.Dispose();
            }
        }
    }
}
