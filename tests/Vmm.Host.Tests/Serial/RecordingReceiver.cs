using System.Text;
using Vmm.Core.Backends;

namespace Vmm.Host.Tests.Serial;

/// <summary>Takes input as far as it is allowed to, and keeps it.</summary>
internal sealed class RecordingReceiver : ICharReceiver
{
    private readonly object _gate = new();
    private readonly List<byte> _taken = [];
    private int _room = int.MaxValue;

    /// <summary>How many more bytes may be taken.</summary>
    public int Room
    {
        get
        {
            lock (_gate) return _room;
        }
        set
        {
            lock (_gate) _room = value;
        }
    }

    public string Text
    {
        get
        {
            lock (_gate) return Encoding.Latin1.GetString([.. _taken]);
        }
    }

    public int Receive(ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            int count = Math.Min(_room, data.Length);
            _room -= count;
            _taken.AddRange(data[..count]);
            Monitor.PulseAll(_gate);
            return count;
        }
    }

    public bool WaitFor(string text)
    {
        long end = Environment.TickCount64 + 10_000;
        lock (_gate)
        {
            while (!Text.Contains(text, StringComparison.Ordinal))
            {
                if (Environment.TickCount64 > end) return false;
                Monitor.Wait(_gate, 100);
            }
        }

        return true;
    }
}
