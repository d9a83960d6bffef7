using Vmm.Core.Memory;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Queue;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Server;

/// <summary>
/// The back end of the vhost-user protocol: has a virtio device serve the rings of a front end in another process, one at a time. The
/// front end is not trusted: what it sends is judged, and at the worst its connection ends. The device outlives connections.
/// </summary>
public sealed class VhostUserServer : IDisposable
{
    private const int MostNotes = 16;

    private readonly Lock _gate = new();
    private readonly UnixListener? _listener;
    private readonly EpollLoop _loop;
    private readonly Action<string> _note;
    private readonly EpollRegistration? _accepting;
    private readonly Action? _ended;
    private readonly Action<int, string>? _broke;
    private VhostUserSession? _session;
    private Thread? _thread;
    private int _notes;
    private bool _isDisposed;

    /// <summary>Serves whoever connects to a socket.</summary>
    /// <param name="device">The device; stays the caller's. Nobody else uses it.</param>
    /// <param name="listener">The socket; becomes this object's.</param>
    /// <param name="loop">Where descriptors are watched.</param>
    /// <param name="note">Takes lines for people, a bounded number for each connection. Any thread.</param>
    /// <param name="state">What the driver chooses of the device beside its rings; null where that is nothing.</param>
    public VhostUserServer(IVirtioDevice device, UnixListener listener, EpollLoop loop, Action<string> note, IServedState? state = null) : this(device, loop, note, state)
    {
        _listener = listener;
        _accepting = loop.Add(listener.Fd, EpollEvents.Readable | EpollEvents.OneShot, _ => Accept());
    }

    /// <summary>Serves one connection that is there already.</summary>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="connection">The connection; becomes this object's.</param>
    /// <param name="loop">Where descriptors are watched.</param>
    /// <param name="note">Takes lines for people. Any thread.</param>
    /// <param name="ended">Told once when the connection has ended, on a thread of this object.</param>
    /// <param name="state">What the driver chooses of the device beside its rings; null where that is nothing.</param>
    public VhostUserServer(IVirtioDevice device, UnixChannel connection, EpollLoop loop, Action<string> note, Action? ended = null, IServedState? state = null) : this(device, loop, note, state)
    {
        _ended = ended;
        Begin(connection);
    }

    /// <summary>Serves connections as they are given to <see cref="Take"/>.</summary>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="loop">Where descriptors are watched.</param>
    /// <param name="note">Takes lines for people. Any thread.</param>
    /// <param name="state">What the driver chooses of the device beside its rings; null where that is nothing.</param>
    /// <param name="broke">Takes the number of a queue that cannot be served, and why, instead of the front end.</param>
    public VhostUserServer(IVirtioDevice device, EpollLoop loop, Action<string> note, IServedState? state, Action<int, string> broke) : this(device, loop, note, state)
        => _broke = broke;

    private VhostUserServer(IVirtioDevice device, EpollLoop loop, Action<string> note, IServedState? state)
    {
        (Device, State, _loop, _note) = (device, state, loop, note);
        if (state is not null) state.Changed += () => Volatile.Read(ref _session)?.KeepState();
        // The protocol has no message in which a front end could learn each queue's size: all of them take what the largest does.
        ushort[] sizes = device.QueueSizes.ToArray();
        Rings = [.. sizes.Select((_, i) => new ServedRing(new VirtQueue(i, sizes.Max(), Memory, Used, Broke)))];
    }

    /// <summary>
    /// Features that the front end may choose from, without RING_RESET: the account of what is under way cannot tell a ring that was reset from one
    /// that goes on, and a successor would take a packed ring up where the one before the reset stood.
    /// </summary>
    internal ulong OfferedFeatures => Device.OfferedFeatures | (VirtioFeatures.Common & ~VirtioFeatures.VIRTIO_F_RING_RESET) | VhostUserFeatures.VHOST_USER_F_PROTOCOL_FEATURES | VhostUserFeatures.VHOST_F_LOG_ALL;

    internal IVirtioDevice Device { get; }

    internal IServedState? State { get; }

    /// <summary>The front end's, while it is connected.</summary>
    internal GuestMemory Memory { get; } = new([]);

    internal ServedRing[] Rings { get; }

    internal EpollLoop Loop => _loop;

    /// <summary>Serves a connection in the place of the one before, whose requests end first.</summary>
    /// <param name="connection">Becomes this object's.</param>
    public void Take(UnixChannel connection)
    {
        Thread? thread;
        lock (_gate)
        {
            _session?.Stop();
            thread = _thread;
        }

        thread?.Join();
        Begin(connection);
    }

    /// <summary>Ends the connection and waits until no request is under way.</summary>
    public void Dispose()
    {
        Thread? thread;
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            _accepting?.Dispose();
            _session?.Stop();
            thread = _thread;
        }

        thread?.Join();
        _listener?.Dispose();
        foreach (ServedRing ring in Rings) ring.Dispose();
    }

    /// <summary>Says something of the front end's doings, but not without end.</summary>
    internal void Note(string line)
    {
        int count = Interlocked.Increment(ref _notes);
        if (count <= MostNotes) _note($"{line}{(count == MostNotes ? " (more of these are not shown)" : "")}");
        else Volatile.Write(ref _notes, MostNotes);
    }

    private void Used(VirtQueue queue) => Rings[queue.Index].Call();

    private void Broke(VirtQueue queue, string problem)
    {
        if (_broke is { } broke)
        {
            broke(queue.Index, problem);
            return;
        }

        Note($"{Device.Name}: queue {queue.Index} is broken and waits for a reset: {problem}");
        Rings[queue.Index].Fail();
    }

    private void Accept()
    {
        LinuxFile? client = null;
        try
        {
            client = _listener!.TryAccept();
        }
        catch (LinuxException e)
        {
            Note(e.Message);
        }

        if (client is not null) Begin(new UnixChannel(client));
        else Rearm();
    }

    private void Rearm()
    {
        lock (_gate)
        {
            if (!_isDisposed) _accepting?.Watch(EpollEvents.Readable | EpollEvents.OneShot);
        }
    }

    private void Begin(UnixChannel connection)
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                connection.Dispose();
                return;
            }

            VhostUserSession session = new(this, connection);
            _session = session;
            _thread = new Thread(() => Serve(session)) { Name = $"{Device.Name} control", IsBackground = true };
            _thread.Start();
        }
    }

    private void Serve(VhostUserSession session)
    {
        Volatile.Write(ref _notes, 0);
        if (session.Run() is { } problem) Note($"{Device.Name}: the connection is ended: {problem}");
        lock (_gate) _session = null;
        session.Dispose();
        if (_listener is null) _ended?.Invoke();
        else Rearm();
    }
}
