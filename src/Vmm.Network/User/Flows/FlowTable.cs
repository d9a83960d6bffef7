using System.Diagnostics.CodeAnalysis;

namespace Vmm.Network.User.Flows;

/// <summary>Flows by what the guest calls them. A full table gives up the one longest unused.</summary>
internal sealed class FlowTable<TKey, TFlow>(GuestLink link, int most) where TKey : struct, IEquatable<TKey> where TFlow : DatagramFlow
{
    private readonly Dictionary<TKey, TFlow> _flows = [];

    public int Count => _flows.Count;

    public bool TryGet(in TKey key, [NotNullWhen(true)] out TFlow? flow) => _flows.TryGetValue(key, out flow);

    /// <summary>Makes room for one more.</summary>
    public void MakeRoom()
    {
        if (_flows.Count < most) return;
        (TKey Key, TFlow Flow)? oldest = null;
        foreach ((TKey key, TFlow flow) in _flows)
            if (oldest is null || flow.LastUsedNs < oldest.Value.Flow.LastUsedNs) oldest = (key, flow);
        if (oldest is { } found) Close(found.Key, found.Flow);
    }

    /// <summary>Takes in a flow, for which room was made.</summary>
    /// <returns>False when the host has no room to watch its socket; it is closed then.</returns>
    public bool TryAdd(in TKey key, TFlow flow)
    {
        if (!flow.Watch())
        {
            flow.Close();
            return false;
        }

        _flows.Add(key, flow);
        link.Schedule(flow.DeadlineNs);
        return true;
    }

    public void Close(in TKey key, TFlow flow)
    {
        flow.Close();
        _flows.Remove(key);
    }

    /// <summary>Closes what was not used for long.</summary>
    /// <returns>When to look again.</returns>
    public long Expire(long nowNs)
    {
        long next = long.MaxValue;
        // Removing while it is walked is what a dictionary allows.
        foreach ((TKey key, TFlow flow) in _flows)
        {
            if (flow.DeadlineNs <= nowNs) Close(key, flow);
            else next = Math.Min(next, flow.DeadlineNs);
        }

        return next;
    }

    public void CloseAll()
    {
        foreach ((TKey key, TFlow flow) in _flows) Close(key, flow);
    }
}
