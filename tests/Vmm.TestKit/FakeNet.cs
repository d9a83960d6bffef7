using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.TestKit;

/// <summary>A link in memory: keeps what is sent, gives what the test queues, full or down when it is told to.</summary>
public sealed class FakeNet(int queues = 1, NetOffloads offloads = FakeNet.AllOffloads) : INetBackend
{
    public const NetOffloads AllOffloads = NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6 | NetOffloads.TsoEcn | NetOffloads.Uso;

    private const int Kept = 4096;

    private readonly Queue<byte[]>[] _waiting = [.. Enumerable.Range(0, queues).Select(_ => new Queue<byte[]>())];
    private INetReceiver? _receiver;
    private bool _isLinkUp = true;

    public event Action? LinkChanged;

    public int QueueCount => queues;

    public NetOffloads Offloads => offloads;

    /// <summary>What was sent: header and frame. The last ones are kept.</summary>
    public Queue<(int Queue, byte[] Bytes)> Sent { get; } = new();

    /// <summary>Whether sent frames are copied; off for tests that count allocations.</summary>
    public bool KeepsSent { get; set; } = true;

    public int SentCount { get; private set; }

    /// <summary>There is no room to send.</summary>
    public bool IsFull { get; private set; }

    /// <summary>What happens in the middle of a transfer.</summary>
    public Action? DuringTransfer { get; set; }

    public NetOffloads Accepted { get; private set; }

    public int QueuesInUse { get; private set; }

    public int Waiting(int queue = 0) => _waiting[queue].Count;

    public bool IsLinkUp
    {
        get => _isLinkUp;
        set
        {
            _isLinkUp = value;
            LinkChanged?.Invoke();
        }
    }

    /// <summary>Frames for the guest: each with its header.</summary>
    public void Give(int queue, params ReadOnlySpan<byte[]> frames)
    {
        foreach (byte[] frame in frames) _waiting[queue].Enqueue(frame);
        _receiver?.FramesReady(queue);
    }

    public void SetFull(bool isFull)
    {
        IsFull = isFull;
        if (isFull) return;
        for (int i = 0; i < queues; i++) _receiver?.RoomToSend(i);
    }

    public void Attach(INetReceiver receiver) => _receiver = receiver;

    public void Configure(NetOffloads accepted, int queues) => (Accepted, QueuesInUse) = (accepted, queues);

    public NetSendResult Send(int queue, ReadOnlySpan<IoVec> frame)
    {
        DuringTransfer?.Invoke();
        if (IsFull) return NetSendResult.Full;
        SentCount++;
        if (!KeepsSent || !IoCursor.TrySum(frame, out ulong bytes)) return NetSendResult.Sent;
        byte[] copy = new byte[bytes];
        new IoCursor(frame).Drain(copy);
        if (Sent.Count == Kept) Sent.Dequeue();
        Sent.Enqueue((queue, copy));
        return NetSendResult.Sent;
    }

    public int Receive(int queue, ReadOnlySpan<IoVec> into)
    {
        DuringTransfer?.Invoke();
        while (_waiting[queue].TryDequeue(out byte[]? frame))
        {
            if (!IoCursor.TrySum(into, out ulong room) || room < (ulong)frame.Length) continue;
            new IoCursor(into).Fill(frame);
            return frame.Length;
        }

        return 0;
    }

    public void Dispose() { }
}
