using System.Text;
using Vmm.Core.Backends;

namespace Vmm.TestKit;

/// <summary>A character backend that keeps what the guest wrote and offers what the test types.</summary>
public sealed class FakeChar : ICharBackend
{
    private readonly MemoryStream _written = new(capacity: 1 << 16);
    private readonly Queue<byte> _typed = new();
    private ICharReceiver? _receiver;

    /// <summary>What the guest wrote.</summary>
    public string Text => Encoding.Latin1.GetString(_written.ToArray());

    /// <summary>Calls of <see cref="Write"/>.</summary>
    public int Writes { get; private set; }

    public void Write(ReadOnlySpan<byte> data)
    {
        Writes++;
        if (_written.Length + data.Length <= _written.Capacity) _written.Write(data);
    }

    public void Attach(ICharReceiver receiver) => _receiver = receiver;

    /// <summary>Input; what the receiver does not take waits for <see cref="ReceiverReady"/>.</summary>
    public void Type(string text)
    {
        foreach (char c in text) _typed.Enqueue((byte)c);
        ReceiverReady();
    }

    public void ReceiverReady()
    {
        while (_typed.Count > 0 && _receiver!.Receive([_typed.Peek()]) == 1) _typed.Dequeue();
    }

    public void Dispose() { }
}
