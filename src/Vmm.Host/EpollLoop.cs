using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host;

/// <summary>
/// One thread that waits for host descriptors and runs what others post to it. A handler must not block. A handler that throws is
/// reported and its descriptor no longer watched; the loop goes on.
/// </summary>
public sealed unsafe class EpollLoop : IDisposable
{
    private const int EventsAtOnce = 32;
    private const int StackBytes = 256 * 1024;

    private readonly Action<string> _report;
    private readonly LinuxFile _epoll;
    private readonly EventFd _wake = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, EpollRegistration> _registrations = [];
    private readonly Thread _thread;
    private List<Action> _posted = [];
    private List<Action> _running = [];
    private ulong _nextToken = 1;
    private bool _stopping;
    private bool _disposed;

    /// <param name="name">The thread's name.</param>
    /// <param name="report">Takes one line about a handler that threw. Called on the loop's thread; must not throw.</param>
    /// <exception cref="LinuxException">No descriptor is free.</exception>
    public EpollLoop(string name, Action<string> report)
    {
        _report = report;
        _epoll = LinuxFile.FromResult(Libc.EpollCreate1(Libc.EPOLL_CLOEXEC), "making an epoll instance");
        Control(Libc.EPOLL_CTL_ADD, _wake.Fd, EpollEvents.Readable, token: 0);
        _thread = new Thread(Run, StackBytes) { Name = name, IsBackground = true };
        _thread.Start();
    }

    /// <summary>True on the loop's own thread.</summary>
    public bool IsCurrent => Thread.CurrentThread == _thread;

    /// <summary>Watches a descriptor, level-triggered unless the events say otherwise. The caller keeps it open until the registration is disposed.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="events">What to watch for.</param>
    /// <param name="handler">Called on the loop's thread with what is ready.</param>
    /// <exception cref="LinuxException">It cannot be watched (EPERM: a regular file).</exception>
    public EpollRegistration Add(int fd, EpollEvents events, Action<EpollEvents> handler)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            EpollRegistration registration = new(this, _nextToken++, fd, handler);
            Control(Libc.EPOLL_CTL_ADD, fd, events, registration.Token);
            _registrations.Add(registration.Token, registration);
            return registration;
        }
    }

    /// <summary>Runs an action on the loop's thread, after those posted before. Any thread.</summary>
    /// <returns>False when the loop has ended: nothing will happen.</returns>
    public bool Post(Action action)
    {
        lock (_gate)
        {
            if (_disposed) return false;
            _posted.Add(action);
            if (_posted.Count == 1) _wake.Signal();
            return true;
        }
    }

    /// <summary>Runs an action on the loop's thread and waits for it; at once when this is that thread or the loop has ended.</summary>
    public void Invoke(Action action)
    {
        if (IsCurrent)
        {
            action();
            return;
        }

        using ManualResetEventSlim done = new();
        bool isPosted = Post(() =>
        {
            try
            {
                action();
            }
            finally
            {
                done.Set();
            }
        });
        if (isPosted) done.Wait();
        else action();
    }

    /// <summary>Runs what was posted before, then ends the thread. Descriptors that were watched stay open. Not on the loop's own thread.</summary>
    public void Dispose()
    {
        if (IsCurrent) throw new InvalidOperationException("the event loop cannot wait for its own end");
        lock (_gate)
        {
            if (_disposed) return;
            _posted.Add(() => _stopping = true);
            _wake.Signal();
            _disposed = true;
        }

        _thread.Join();
        _epoll.Dispose();
        _wake.Dispose();
    }

    internal void Change(EpollRegistration registration, EpollEvents events)
    {
        lock (_gate)
        {
            if (!registration.IsRemoved && !_disposed) Control(Libc.EPOLL_CTL_MOD, registration.Fd, events, registration.Token);
        }
    }

    internal void Remove(EpollRegistration registration)
    {
        lock (_gate)
        {
            if (registration.IsRemoved) return;
            registration.IsRemoved = true;
            _registrations.Remove(registration.Token);
            // The descriptor may be closed already, and then it is out of the set.
            if (!_disposed) _ = Libc.EpollCtl(_epoll.Fd, Libc.EPOLL_CTL_DEL, registration.Fd, null);
        }
    }

    private void Control(int operation, int fd, EpollEvents events, ulong token)
    {
        Libc.EpollEvent change = new() { Events = (uint)events, Data = token };
        // SAFETY: a local that outlives the call.
        if (Libc.EpollCtl(_epoll.Fd, operation, fd, &change) < 0) throw LinuxException.FromLastError("watching a file descriptor");
    }

    private void Run()
    {
        Libc.EpollEvent* events = stackalloc Libc.EpollEvent[EventsAtOnce];
        while (!_stopping)
        {
            // SAFETY: the array holds EventsAtOnce entries.
            int count = Libc.EpollWait(_epoll.Fd, events, EventsAtOnce, -1);
            if (count < 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                if (errno == Errno.EINTR) continue;
                _report(new LinuxException("waiting for events", errno).Message);
                return;
            }

            for (int i = 0; i < count; i++)
            {
                if (events[i].Data == 0) RunPosted();
                else Dispatch(events[i].Data, (EpollEvents)events[i].Events);
            }
        }
    }

    private void Dispatch(ulong token, EpollEvents events)
    {
        EpollRegistration? registration;
        lock (_gate) _registrations.TryGetValue(token, out registration);
        if (registration is null) return;
        try
        {
            registration.Handle(events);
        }
        catch (Exception e)
        {
            Remove(registration);
            _report($"{_thread.Name}: a handler failed: {e.Message}");
        }
    }

    private void RunPosted()
    {
        _ = _wake.Drain();
        lock (_gate) (_posted, _running) = (_running, _posted);
        foreach (Action action in _running)
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                _report($"{_thread.Name}: a posted action failed: {e.Message}");
            }
        }

        _running.Clear();
    }
}
