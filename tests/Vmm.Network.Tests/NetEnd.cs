using System.Diagnostics;
using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Network.Tests;

/// <summary>The guest's end of a link, played by the test.</summary>
internal sealed class NetEnd : INetReceiver, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly INetBackend _link;
    private readonly SemaphoreSlim _events = new(0);
    private readonly PinnedBuffer _buffer = new(INetBackend.MostFrameBytes);

    public NetEnd(INetBackend link)
    {
        _link = link;
        link.Attach(this);
        link.LinkChanged += Tell;
    }

    public void FramesReady(int queue) => Tell();

    public void RoomToSend(int queue) => Tell();

    public NetSendResult TrySend(byte[] frame, int queue = 0)
    {
        PinnedBuffer bytes = new(frame.Length);
        frame.CopyTo(bytes.Span);
        return _link.Send(queue, [bytes.Vector(0, frame.Length)]);
    }

    /// <summary>Sends, and waits for room as long as there is none.</summary>
    public void Send(byte[] frame)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (TrySend(frame) is var result && result != NetSendResult.Sent)
        {
            if (result == NetSendResult.Dropped || watch.Elapsed > Patience) throw new InvalidOperationException($"the frame was not sent: {result}");
            _events.Wait(100);
        }
    }

    public byte[]? TryReceive(int queue = 0)
    {
        int count = _link.Receive(queue, [_buffer.Vector(0, 20), _buffer.Vector(20, _buffer.SizeBytes - 20)]);
        return count == 0 ? null : _buffer.Span[..count].ToArray();
    }

    /// <summary>The next frame with its header, waited for.</summary>
    public byte[] Receive(int queue = 0)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (true)
        {
            if (TryReceive(queue) is { } frame) return frame;
            if (watch.Elapsed > Patience) throw new TimeoutException("no frame came");
            _events.Wait(100);
        }
    }

    public void WaitFor(Func<bool> condition)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (!condition())
        {
            if (watch.Elapsed > Patience) throw new TimeoutException("it did not come to that");
            _events.Wait(20);
        }
    }

    public void Dispose() => _link.LinkChanged -= Tell;

    private void Tell() => _events.Release();
}
