using Vmm.Core.Interrupts;

namespace Vmm.TestKit;

/// <summary>Counts messages; the last 4096 are kept.</summary>
public sealed class FakeMsi : IMsiSink
{
    private const int Kept = 4096;

    private readonly Queue<(MsiMessage Message, ushort Requester)> _messages = new(Kept);
    private readonly Lock _gate = new();

    /// <summary>All that were ever sent.</summary>
    public int Count { get; private set; }

    public (MsiMessage Message, ushort Requester)[] Messages
    {
        get
        {
            lock (_gate) return [.. _messages];
        }
    }

    /// <summary>How many of the kept ones carry this data.</summary>
    public int CountOf(uint data) => Messages.Count(m => m.Message.Data == data);

    public void Signal(in MsiMessage message, ushort requesterId)
    {
        lock (_gate)
        {
            Count++;
            if (_messages.Count == Kept) _messages.Dequeue();
            _messages.Enqueue((message, requesterId));
        }
    }
}
