using System.Runtime.InteropServices;
using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.TestKit;

/// <summary>A peer of a guest's socket that the test plays.</summary>
public sealed class FakeVsockStream : IVsockStream
{
    private readonly Queue<byte> _toGuest = new();
    private Action? _ready;

    /// <summary>What the guest has sent.</summary>
    public List<byte> FromGuest { get; } = [];

    /// <summary>How much it takes from the guest at the moment.</summary>
    public int Room { get; set; } = int.MaxValue;

    public bool HasEnded { get; private set; }

    public bool IsBroken { get; set; }

    public bool IsDisposed { get; private set; }

    public bool IsSendClosed { get; private set; }

    public uint? AcceptedPort { get; private set; }

    public bool IsPeerGone { get; private set; }

    public int Waiting => _toGuest.Count;

    public void Attach(Action ready)
    {
        _ready = ready;
        ready();
    }

    public void Accepted(uint port) => AcceptedPort = port;

    public void Say(ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes) _toGuest.Enqueue(value);
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
        sent = 0;
        foreach (IoVec vector in from)
        {
            byte[] bytes = new byte[vector.SizeBytes];
            Marshal.Copy(vector.HostAddress, bytes, 0, bytes.Length);
            VsockStreamStatus status = Send(bytes, out int part);
            if (status != VsockStreamStatus.Ok) return sent == 0 ? status : VsockStreamStatus.Ok;
            sent += part;
            if ((nuint)part != vector.SizeBytes) break;
        }

        return VsockStreamStatus.Ok;
    }

    public VsockStreamStatus Send(ReadOnlySpan<byte> from, out int sent)
    {
        Check();
        sent = 0;
        if (IsPeerGone) return VsockStreamStatus.Ended;
        if (Room == 0) return VsockStreamStatus.Pending;
        sent = Math.Min(from.Length, Room);
        FromGuest.AddRange(from[..sent]);
        Room -= sent;
        return VsockStreamStatus.Ok;
    }

    public VsockStreamStatus Receive(ReadOnlySpan<IoVec> into, out int received)
    {
        Check();
        received = 0;
        if (IsBroken) return VsockStreamStatus.Broken;
        foreach (IoVec vector in into)
        {
            byte[] bytes = new byte[Math.Min((int)vector.SizeBytes, _toGuest.Count)];
            for (int i = 0; i < bytes.Length; i++) bytes[i] = _toGuest.Dequeue();
            Marshal.Copy(bytes, 0, vector.HostAddress, bytes.Length);
            received += bytes.Length;
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
