using System.Text;
using Vmm.Core.Backends;

namespace Vmm.TestKit;

/// <summary>A character backend that keeps what the guest wrote and offers what the test types.</summary>
public sealed class FakeChar : ICharBackend
{
    private readonly MemoryStream _written = new(capacity: 1 << 16);
    private readonly Queue<byte> _typed = new();
    private readonly byte[] _piece = new byte[256];
    private ICharReceiver? _receiver;

    public event Action? Changed;

    /// <summary>What the guest wrote.</summary>
    public string Text => Encoding.Latin1.GetString(_written.ToArray());

    /// <summary>Calls of <see cref="Write"/>.</summary>
    public int Writes { get; private set; }

    /// <summary>What was typed and not taken.</summary>
    public int Waiting => _typed.Count;

    /// <summary>Bytes that are offered at a time.</summary>
    public int PieceBytes { get; set; } = 1;

    public bool IsConnected { get; private set; } = true;

    public TerminalSize? Size { get; private set; }

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

    /// <summary>Somebody comes or goes.</summary>
    public void Connect(bool isConnected)
    {
        IsConnected = isConnected;
        Changed?.Invoke();
    }

    /// <summary>The window changes.</summary>
    public void Resize(TerminalSize size)
    {
        Size = size;
        Changed?.Invoke();
    }

    public void ReceiverReady()
    {
        while (_typed.Count > 0)
        {
            int offered = Math.Min(_typed.Count, PieceBytes), i = 0;
            foreach (byte b in _typed)
            {
                _piece[i++] = b;
                if (i == offered) break;
            }

            int taken = _receiver!.Receive(_piece.AsSpan(0, offered));
            for (i = 0; i < taken; i++) _typed.Dequeue();
            if (taken < offered) return;
        }
    }

    public void Dispose() { }
}
