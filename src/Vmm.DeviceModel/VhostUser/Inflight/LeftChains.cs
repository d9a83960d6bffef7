namespace Vmm.DeviceModel.VhostUser.Inflight;

/// <summary>The chains that a predecessor took and did not give back, oldest first.</summary>
internal sealed class LeftChains
{
    private readonly List<(int Entry, ulong Counter)> _chains = [];

    // From here on they are still to be taken.
    private int _next;

    public int Count => _chains.Count - _next;

    public void Add(int entry, ulong counter) => _chains.Add((entry, counter));

    public void Sort() => _chains.Sort(static (left, right) => left.Counter.CompareTo(right.Counter));

    public int Take() => _chains[_next++].Entry;

    /// <summary>Puts the one that was taken last back.</summary>
    public void PutBack(int entry)
    {
        _next--;
        _chains[_next] = (entry, 0);
    }
}
