using System.Runtime.InteropServices;
using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.TestKit;

/// <summary>A peer of a guest's socket that the test plays.</summary>
public sealed class FakeVsockStream : IVsockStream
{
    // What is said at once; a stream gives it in any pieces.
    private readonly LinkedList<ArraySegment<byte>> _toGuest = new();
    private Action? _ready;

    public VsockKind Kind { get; init; }

    /// <summary>What the guest has sent.</summary>
    public List<byte> FromGuest { get; } = [];

    /// <summary>The same in the pieces that it came in: the messages, where they are kept apart.</summary>
    public List<byte[]> Messages { get; } = [];

    /// <summary>How much it takes from the guest at the moment.</summary>
    public int Room { get; set; } = int.MaxValue;

    public bool HasEnded { get; private set; }

    public bool IsBroken { get; set; }

    public bool IsDisposed { get; private set; }

    public bool IsSendClosed { get; private set; }

    public uint? AcceptedPort { get; private set; }

    public bool IsPeerGone { get; private set; }

    public int Waiting => _toGuest.Sum(piece => piece.Count);

    public void Attach(Action ready)
    {
        _ready = ready;
        ready();
    }

    public void Accepted(uint port) => AcceptedPort = port;

    public void Say(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.IsEmpty) _toGuest.AddLast(bytes.ToArray());
        _ready?.Invoke();
    }

    public void End(bool isGone)
    {
        (HasEnded, IsPeerGone) = (true, isGone);
        _ready?.Invoke();
    }

    public void Resume(int room = int.MaxValue)
    {
        Room = room;
        _ready?.Invoke();
    }

    public VsockStreamStatus Send(ReadOnlySpan<IoVec> from, out int sent)
    {
        List<byte> bytes = [];
        foreach (IoVec vector in from)
        {
            byte[] piece = new byte[vector.SizeBytes];
            Marshal.Copy(vector.HostAddress, piece, 0, piece.Length);
            bytes.AddRange(piece);
        }

        return Send(CollectionsMarshal.AsSpan(bytes), default, out sent);
    }

    public VsockStreamStatus Send(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, out int sent)
    {
        Check();
        sent = 0;
        byte[] all = [.. first, .. second];
        if (IsPeerGone) return VsockStreamStatus.Ended;
        if (Room == 0 || (Kind == VsockKind.Seqpacket && Room < all.Length)) return VsockStreamStatus.Pending;
        sent = Math.Min(all.Length, Room);
        FromGuest.AddRange(all.AsSpan(0, sent));
        Messages.Add(all[..sent]);
        Room -= sent;
        return VsockStreamStatus.Ok;
    }

    public VsockStreamStatus Receive(ReadOnlySpan<IoVec> into, out int received)
    {
        byte[] bytes = new byte[into.ToArray().Sum(vector => (int)vector.SizeBytes)];
        VsockStreamStatus status = Receive(bytes, out received);
        int copied = 0;
        foreach (IoVec vector in into)
        {
            int piece = Math.Min((int)vector.SizeBytes, received - copied);
            Marshal.Copy(bytes, copied, vector.HostAddress, piece);
            copied += piece;
        }

        return status;
    }

    public VsockStreamStatus Receive(Span<byte> into, out int received)
    {
        Check();
        received = 0;
        if (IsBroken) return VsockStreamStatus.Broken;
        while (received < into.Length && _toGuest.First is { } first && (received == 0 || Kind == VsockKind.Stream))
        {
            int piece = Math.Min(first.Value.Count, into.Length - received);
            first.Value.AsSpan(0, piece).CopyTo(into[received..]);
            received += piece;
            if (piece == first.Value.Count) _toGuest.RemoveFirst();
            else if (Kind == VsockKind.Seqpacket) return VsockStreamStatus.Broken;
            else first.Value = first.Value[piece..];
        }

        if (received != 0) return VsockStreamStatus.Ok;
        return HasEnded ? VsockStreamStatus.Ended : VsockStreamStatus.Pending;
    }

    public void CloseSend()
    {
        Check();
        IsSendClosed = true;
    }

    public void Dispose() => IsDisposed = true;

    private void Check() => ObjectDisposedException.ThrowIf(IsDisposed, this);
}
