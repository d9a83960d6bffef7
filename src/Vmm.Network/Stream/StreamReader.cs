using System.Buffers.Binary;
using Vmm.Core.Backends;

namespace Vmm.Network.Stream;

/// <summary>Finds the frames in a stream from a peer that may send anything. One thread at a time.</summary>
internal sealed class StreamReader
{
    private const int LengthBytes = 4;
    private const int MostFrameBytes = INetBackend.MostFrameBytes - INetBackend.HeaderBytes;

    // At least one of the longest frames; more for few calls.
    private const int BufferBytes = 256 << 10;

    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _start, _end;

    /// <summary>Room for what comes next: never empty after <see cref="TryTake"/> has found nothing.</summary>
    public Span<byte> Room
    {
        get
        {
            if (_start != 0)
            {
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
                (_start, _end) = (0, _end - _start);
            }

            return _buffer.AsSpan(_end);
        }
    }

    /// <summary>Forgets all: there is another peer.</summary>
    public void Clear() => _start = _end = 0;

    /// <summary>So many bytes have been put into <see cref="Room"/>.</summary>
    public void Advance(int count) => _end += count;

    /// <summary>Takes the next whole frame, good until the next call of any member.</summary>
    /// <param name="frame">The frame; empty when none is whole.</param>
    /// <returns>False when the stream makes no sense: its peer is no such peer.</returns>
    public bool TryTake(out ReadOnlySpan<byte> frame)
    {
        frame = default;
        while (_end - _start >= LengthBytes)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(_buffer.AsSpan(_start));
            if (length > MostFrameBytes) return false;
            if (_end - _start - LengthBytes < (int)length) return true;
            frame = _buffer.AsSpan(_start + LengthBytes, (int)length);
            _start += LengthBytes + (int)length;
            if (length >= NetHeader.EthernetBytes) return true;
            frame = default;
        }

        return true;
    }
}
