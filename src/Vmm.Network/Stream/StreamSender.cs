using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Network.Offload;

namespace Vmm.Network.Stream;

/// <summary>
/// Frames on their way into a stream, each behind its length in four bytes, big-endian. There are no headers of virtio in the stream, so
/// checksums are filled in and long frames are cut here. One thread at a time.
/// </summary>
internal sealed class StreamSender
{
    // Several of the longest frames, cut.
    private const int BufferBytes = 512 << 10;
    private const int LengthBytes = 4;

    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly byte[] _frame = new byte[INetBackend.MostFrameBytes];
    private int _start, _end;

    /// <summary>Bytes that have to go out.</summary>
    public ReadOnlySpan<byte> Waiting => _buffer.AsSpan(_start, _end - _start);

    /// <summary>Forgets all: there is another peer.</summary>
    public void Clear() => _start = _end = 0;

    /// <summary>So many bytes are out.</summary>
    public void Advance(int count)
    {
        _start += count;
        if (_start == _end) Clear();
    }

    /// <summary>Takes one frame.</summary>
    /// <param name="vectors">Header and frame.</param>
    /// <returns>Full when what waits must go out first.</returns>
    public NetSendResult Add(ReadOnlySpan<IoVec> vectors)
    {
        if (!IoCursor.TrySum(vectors, out ulong bytes) || bytes < INetBackend.HeaderBytes + NetHeader.EthernetBytes || bytes > INetBackend.MostFrameBytes) return NetSendResult.Dropped;
        IoCursor cursor = new(vectors);
        Span<byte> start = stackalloc byte[INetBackend.HeaderBytes];
        cursor.Drain(start);
        NetHeader header = NetHeader.Read(start);
        int frameBytes = (int)bytes - INetBackend.HeaderBytes;
        if (header.Segmentation == NetSegmentation.VIRTIO_NET_HDR_GSO_NONE)
        {
            if (!TryMakeRoom(LengthBytes + frameBytes)) return NetSendResult.Full;
            Span<byte> frame = NextFrame(frameBytes);
            cursor.Drain(frame);
            FrameChecksums.Complete(frame, header);
            return NetSendResult.Sent;
        }

        // Copied first: the guest must not change what has been looked at.
        Span<byte> whole = _frame.AsSpan(0, frameBytes);
        cursor.Drain(whole);
        if (!FrameCutter.TryBegin(whole, header, out FrameCutter cutter)) return NetSendResult.Dropped;
        long total = cutter.TotalBytes + (long)cutter.Count * LengthBytes;
        if (total > BufferBytes) return NetSendResult.Dropped;
        if (!TryMakeRoom((int)total)) return NetSendResult.Full;
        while (cutter.TryNext(_buffer.AsSpan(_end + LengthBytes), out int count)) NextFrame(count);
        return NetSendResult.Sent;
    }

    private Span<byte> NextFrame(int count)
    {
        BinaryPrimitives.WriteInt32BigEndian(_buffer.AsSpan(_end), count);
        Span<byte> frame = _buffer.AsSpan(_end + LengthBytes, count);
        _end += LengthBytes + count;
        return frame;
    }

    private bool TryMakeRoom(int count)
    {
        if (_end + count <= BufferBytes) return true;
        if (count > BufferBytes - (_end - _start)) return false;
        Waiting.CopyTo(_buffer);
        (_start, _end) = (0, _end - _start);
        return true;
    }
}
