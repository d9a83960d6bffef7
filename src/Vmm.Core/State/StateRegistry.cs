using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Vmm.Core.State;

/// <summary>
/// Everything in a machine that has a state, each by its id. Saved and restored as a whole: a node that nobody wants, or one that is missing,
/// fails the restore before anything is changed. Thread-safe, but for the objects themselves: the machine stands still.
/// </summary>
public sealed class StateRegistry
{
    private readonly Lock _gate = new();
    private readonly List<Entry> _entries = [];

    /// <summary>Takes an object in.</summary>
    /// <param name="id">Its id; parts of one object may stand in a folder: "disk0/function".</param>
    /// <param name="owner">The object.</param>
    /// <param name="form">How its state is written; asked for when it is, because to make a form takes longer than to make the object.</param>
    /// <param name="isLast">Restored after the others: what they do to it meanwhile counts for nothing.</param>
    /// <exception cref="ArgumentException">The id is another's.</exception>
    public void Add<TState>(string id, IStateful<TState> owner, Func<JsonTypeInfo<TState>> form, bool isLast = false) where TState : class
    {
        lock (_gate)
        {
            if (_entries.Exists(e => e.Id == id)) throw new ArgumentException($"'{id}' is another object's id", nameof(id));
            _entries.Add(new Entry<TState>(id, owner, form, isLast));
        }
    }

    /// <summary>Forgets the objects of a folder.</summary>
    public void RemoveFolder(string folder)
    {
        lock (_gate) _entries.RemoveAll(e => e.Id.StartsWith(folder + "/", StringComparison.Ordinal));
    }

    /// <summary>All states, in the order of the ids: that of adding is an accident.</summary>
    /// <exception cref="StateException">An object cannot be saved now.</exception>
    public IReadOnlyList<StateNode> Save()
    {
        lock (_gate) return [.. _entries.OrderBy(e => e.Id, StringComparer.Ordinal).Select(Save)];
    }

    /// <summary>Puts all states back, in the order of adding. The objects are new: after a failure they are of no use.</summary>
    /// <exception cref="StateException">A node is unknown, missing, twice there, or no state of its object.</exception>
    public void Restore(IReadOnlyCollection<StateNode> nodes)
    {
        lock (_gate)
        {
            Dictionary<string, StateNode> byId = [];
            foreach (StateNode node in nodes)
            {
                if (!byId.TryAdd(node.Id, node)) throw new StateException($"{node.Id}: this state is there twice");
                if (!_entries.Exists(e => e.Id == node.Id)) throw new StateException($"{node.Id}: the machine has no such part");
            }

            List<Action> restores = [];
            foreach (Entry entry in _entries.OrderBy(e => e.IsLast))
            {
                if (!byId.TryGetValue(entry.Id, out StateNode node)) throw new StateException($"{entry.Id}: its state is missing");
                restores.Add(entry.Decode(node.Json.Span));
            }

            foreach (Action restore in restores) restore();
        }
    }

    private static StateNode Save(Entry entry)
    {
        try
        {
            return new StateNode(entry.Id, entry.Encode());
        }
        catch (StateException e)
        {
            throw new StateException($"{entry.Id}: {e.Message}", e);
        }
    }

    private abstract class Entry(string id, bool isLast)
    {
        public string Id => id;

        public bool IsLast => isLast;

        public abstract byte[] Encode();

        public abstract Action Decode(ReadOnlySpan<byte> json);
    }

    private sealed class Entry<TState>(string id, IStateful<TState> owner, Func<JsonTypeInfo<TState>> form, bool isLast) : Entry(id, isLast) where TState : class
    {
        public override byte[] Encode() => JsonSerializer.SerializeToUtf8Bytes(owner.Save(), form());

        public override Action Decode(ReadOnlySpan<byte> json)
        {
            TState state = StateJson.Parse(json, form(), Id);
            return () => Restore(state);
        }

        private void Restore(TState state)
        {
            try
            {
                owner.Restore(state);
            }
            catch (StateException e)
            {
                throw new StateException($"{Id}: {e.Message}", e);
            }
        }
    }
}
