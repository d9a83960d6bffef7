using Vmm.Core.Backends.Files;

namespace Vmm.Host.Files;

/// <summary>
/// The record locks of one guest. Its kernel has judged its own processes already, so a lock of the guest's own is none in the way,
/// although the host sees each open file as somebody else.
/// </summary>
internal sealed class HeldLocks
{
    // Beyond these a lock of the guest's own may stand in its way.
    private const int Most = 4096;

    private readonly Lock _gate = new();
    private readonly List<(HostOpenFile Owner, ulong Node, ulong First, ulong Last)> _held = [];

    /// <summary>Whether another open file of the guest holds a lock on some of these bytes.</summary>
    public bool IsOwn(HostOpenFile file, in FileLock wanted)
    {
        (ulong first, ulong last) = RangeOf(wanted);
        lock (_gate)
        {
            foreach ((HostOpenFile owner, ulong node, ulong from, ulong to) in _held)
            {
                if (owner != file && node == file.Number && from <= last && first <= to) return true;
            }
        }

        return false;
    }

    /// <summary>Notes what was locked or unlocked.</summary>
    public void Note(HostOpenFile file, in FileLock done)
    {
        (ulong first, ulong last) = RangeOf(done);
        lock (_gate)
        {
            _held.RemoveAll(l => l.Owner == file && first <= l.First && l.Last <= last);
            if (done.Kind != FileLockKind.None && _held.Count < Most) _held.Add((file, file.Number, first, last));
        }
    }

    /// <summary>Forgets all that a file has.</summary>
    public void Forget(HostOpenFile file)
    {
        lock (_gate) _held.RemoveAll(l => l.Owner == file);
    }

    private static (ulong First, ulong Last) RangeOf(in FileLock range)
        => (range.Start, range.Length == 0 ? ulong.MaxValue : range.Start + range.Length - 1);
}
