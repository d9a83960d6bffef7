using Vmm.Core.State;
using Vmm.Devices.Virtio.Queue;
using static Vmm.Devices.Virtio.P9.P9Constants;

namespace Vmm.Devices.Virtio.P9;

/// <summary>
/// What the workers share: messages on their way, in the order in which they came, and the fids. A request gets all fids that it needs
/// at once and waits only for requests that came before it, so that no two wait for each other. Thread-safe.
/// </summary>
/// <remarks>Lock order: the session, then the queue.</remarks>
internal sealed class P9Session(int requests, int maxFids)
{
    // An attribute's value has up to 64 KiB, and the guest decides how many are in use.
    private const int MaxExtended = 64;

    private readonly object _gate = new();
    private readonly Dictionary<uint, P9Fid> _fids = [];
    private readonly Stack<P9Request> _free = new(requests);
    private readonly Queue<P9Request> _ready = new(requests);
    private readonly List<P9Request> _running = new(requests);
    private VirtQueue? _queue;
    private ulong _sequence;
    private int _extended;
    private bool _isStale;
    private bool _isBarred;

    /// <summary>The largest message that was agreed; 0 before that.</summary>
    public uint MessageBytes { get; private set; }

    public int FidCount
    {
        get
        {
            lock (_gate) return _fids.Count;
        }
    }

    /// <summary>There is a driver.</summary>
    public void Begin(VirtQueue queue)
    {
        lock (_gate)
        {
            if (_queue == queue) return;
            _queue = queue;
            _free.Clear();
            for (int i = 0; i < requests; i++) _free.Push(new P9Request(queue));
        }
    }

    /// <summary>The driver is gone, and its fids go before the next request.</summary>
    public void End()
    {
        lock (_gate) _isStale = true;
    }

    /// <summary>Takes the next message.</summary>
    /// <param name="hasMore">There is another one for somebody else.</param>
    public bool TryTake(out P9Request? request, out bool hasMore)
    {
        lock (_gate)
        {
            (request, hasMore) = (null, false);
            while (_isBarred || (_isStale && _running.Count != 0)) Monitor.Wait(_gate);
            if (_isStale) Clear();
            if (_ready.Count == 0 && !TryPop()) return false;
            request = _ready.Dequeue();
            _running.Add(request);
            // From here on nobody begins before a new session stands.
            if (request.Type == P9Type.Tversion) _isBarred = true;
            // Looking for one more also asks the driver to kick again while this one is being served.
            hasMore = _ready.Count != 0 || TryPop();
            return true;
        }
    }

    /// <summary>The answer is out.</summary>
    public void Done(P9Request request)
    {
        lock (_gate)
        {
            if (request.Type == P9Type.Tversion) _isBarred = false;
            _running.Remove(request);
            _free.Push(request);
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits for the request of a tag, if it came before the one that asks.</summary>
    public void WaitFor(ushort tag, ulong before)
    {
        lock (_gate)
        {
            while (_running.Exists(r => r.Tag == tag && r.Sequence < before)) Monitor.Wait(_gate);
        }
    }

    /// <summary>Begins anew: waits until the caller's request is the only one and drops all fids.</summary>
    public void Restart(uint messageBytes)
    {
        lock (_gate)
        {
            while (_running.Count > 1) Monitor.Wait(_gate);
            Clear();
            MessageBytes = messageBytes;
        }
    }

    /// <summary>Gets a fid for use, alone or together with others. EBADF: there is none; ESTALE: a restore lost it.</summary>
    public int Use(uint number, bool alone, out P9Fid? fid)
    {
        lock (_gate)
        {
            while (true)
            {
                if (!_fids.TryGetValue(number, out fid)) return P9Error.EBADF;
                if (IsFree(fid, alone)) break;
                Monitor.Wait(_gate);
            }

            if (fid.Lost is not null) return P9Error.ESTALE;
            Occupy(fid, alone);
            return 0;
        }
    }

    /// <summary>Gets two fids, which may be the same, together with others.</summary>
    public int UseBoth(uint first, uint second, out P9Fid? one, out P9Fid? other)
    {
        lock (_gate)
        {
            while (true)
            {
                (one, other) = (null, null);
                if (!_fids.TryGetValue(first, out one) || !_fids.TryGetValue(second, out other)) return P9Error.EBADF;
                if (IsFree(one, alone: false) && IsFree(other, alone: false)) break;
                Monitor.Wait(_gate);
            }

            if (one.Lost is not null || other.Lost is not null) return P9Error.ESTALE;
            Occupy(one, alone: false);
            Occupy(other, alone: false);
            return 0;
        }
    }

    /// <summary>Gets a fid together with others, and makes a new one alone.</summary>
    /// <param name="number">The one that is there.</param>
    /// <param name="newNumber">The new one, which ends with <see cref="Release"/>, or <see cref="Drop"/> where it comes to nothing.</param>
    public int UseAndMake(uint number, uint newNumber, out P9Fid? fid, out P9Fid? made)
    {
        lock (_gate)
        {
            made = null;
            int error = Use(number, alone: false, out fid);
            if (error != 0) return error;
            error = Make(newNumber, fid!.Uid, out made);
            if (error != 0) Release(fid);
            return error;
        }
    }

    /// <summary>Makes a fid, for use alone. EINVAL: it is there; ENFILE: there are too many.</summary>
    public int Make(uint number, uint uid, out P9Fid? made)
    {
        lock (_gate)
        {
            made = null;
            if (number == NOFID || _fids.ContainsKey(number)) return P9Error.EINVAL;
            if (_fids.Count >= maxFids) return P9Error.ENFILE;
            made = new P9Fid(number, uid) { IsExclusive = true, Users = 1 };
            _fids.Add(number, made);
            return 0;
        }
    }

    /// <summary>Ends the use of a fid.</summary>
    public void Release(P9Fid fid)
    {
        lock (_gate)
        {
            fid.Users--;
            fid.IsExclusive = false;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Takes a fid out, once nobody else uses it. The caller disposes it.</summary>
    public int Remove(uint number, out P9Fid? fid)
    {
        lock (_gate)
        {
            while (true)
            {
                if (!_fids.TryGetValue(number, out fid)) return P9Error.EBADF;
                if (IsFree(fid, alone: true)) break;
                Monitor.Wait(_gate);
            }

            _fids.Remove(number);
            if (fid.Extended is not null) _extended--;
            return 0;
        }
    }

    /// <summary>Takes a fid out that the caller uses alone, and disposes it.</summary>
    public void Drop(P9Fid fid)
    {
        lock (_gate)
        {
            _fids.Remove(fid.Number);
            if (fid.Extended is not null) _extended--;
            Monitor.PulseAll(_gate);
        }

        fid.Dispose();
    }

    /// <summary>Lets a fid that the caller uses alone stand for an extended attribute. ENOMEM: there are too many.</summary>
    public int Attach(P9Fid fid, P9Extended extended)
    {
        lock (_gate)
        {
            if (_extended >= MaxExtended) return P9Error.ENOMEM;
            _extended++;
            fid.Extended = extended;
            return 0;
        }
    }

    /// <summary>All fids, in ascending order.</summary>
    /// <exception cref="StateException">A request is under way.</exception>
    public Virtio9pState Save(Func<P9Fid, P9FidState> describe)
    {
        lock (_gate)
        {
            if (_running.Count + _ready.Count != 0) throw new StateException($"virtio-9p: {_running.Count + _ready.Count} requests are under way");
            if (_isStale) Clear();
            return new() { MessageBytes = MessageBytes, Fids = [.. _fids.Values.OrderBy(f => f.Number).Select(describe)] };
        }
    }

    /// <summary>Puts fids in place of all that there are.</summary>
    public void Restore(uint messageBytes, IEnumerable<P9Fid> fids)
    {
        lock (_gate)
        {
            Clear();
            MessageBytes = messageBytes;
            foreach (P9Fid fid in fids)
            {
                _fids.Add(fid.Number, fid);
                if (fid.Extended is not null) _extended++;
            }
        }
    }

    /// <summary>Drops all fids. Nobody uses them.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            foreach (P9Fid fid in _fids.Values) fid.Dispose();
            _fids.Clear();
            (MessageBytes, _extended, _isStale) = (0, 0, false);
        }
    }

    private static bool IsFree(P9Fid fid, bool alone) => !fid.IsExclusive && (!alone || fid.Users == 0);

    private static void Occupy(P9Fid fid, bool alone)
    {
        fid.Users++;
        fid.IsExclusive = alone;
    }

    /// <summary>Gets one more message ready, if there are room and a message.</summary>
    private bool TryPop()
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        while (_queue is not null && _free.TryPeek(out P9Request? request) && _queue.TryPop(request.Chain))
        {
            if (request.Chain.TryRead(0, header) && request.Chain.WritableBytes >= ErrorBytes)
            {
                P9Reader reader = new(header);
                (request.SizeBytes, request.Type, request.Tag, request.Sequence) = (reader.Double(), (P9Type)reader.Byte(), reader.Word(), ++_sequence);
                _ready.Enqueue(_free.Pop());
                return true;
            }

            _queue.Break($"a message has {request.Chain.ReadableBytes} bytes and room for {request.Chain.WritableBytes}");
            _queue.Push(request.Chain, 0);
        }

        return false;
    }
}
