using Vmm.Core.Backends;

namespace Vmm.Network.User;

/// <summary>The Ethernet addresses of the guest's addresses, learnt from what it sends. A full table forgets the one longest unheard.</summary>
internal sealed class Neighbours
{
    private const int Most = 64;
    private const long AskEveryNs = 500_000_000;

    private readonly (IpAddress Address, MacAddress Mac, long Heard)[] _entries = new (IpAddress, MacAddress, long)[Most];
    private int _count;
    private int _last;
    private long _heard;
    private IpAddress _asked;
    private long _askedNs;

    public void Learn(IpAddress address, MacAddress mac)
    {
        if (mac.IsMulticast) return;
        if (Find(address) is var found and >= 0)
        {
            _entries[found] = (address, mac, ++_heard);
            return;
        }

        int at = _count < Most ? _count++ : Oldest();
        _entries[at] = (address, mac, ++_heard);
    }

    public bool TryFind(IpAddress address, out MacAddress mac)
    {
        int found = Find(address);
        mac = found < 0 ? default : _entries[found].Mac;
        return found >= 0;
    }

    /// <summary>Whether to ask for an address again.</summary>
    public bool MayAsk(IpAddress address, long nowNs)
    {
        if (address == _asked && _askedNs != 0 && nowNs - _askedNs < AskEveryNs) return false;
        (_asked, _askedNs) = (address, Math.Max(1, nowNs));
        return true;
    }

    public void Clear() => _count = 0;

    private int Find(IpAddress address)
    {
        if (_last < _count && _entries[_last].Address == address) return _last;
        for (int i = 0; i < _count; i++)
        {
            if (_entries[i].Address != address) continue;
            _last = i;
            return i;
        }

        return -1;
    }

    private int Oldest()
    {
        int oldest = 0;
        for (int i = 1; i < _count; i++)
            if (_entries[i].Heard < _entries[oldest].Heard) oldest = i;
        return oldest;
    }
}
