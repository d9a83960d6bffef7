using System.Buffers.Binary;
using Vmm.Core.Memory;

namespace Vmm.Network.User;

/// <summary>
/// Frames that wait for the guest: answers that belong to no connection. A ring of bytes, in which each frame stands in one piece
/// behind its length; what does not fit is dropped, as a full wire would.
/// </summary>
internal sealed class Outbox
{
    private const int RingBytes = 512 * 1024;
    private const int LengthBytes = 4;

    /// <summary>In place of a length: the next frame stands at the ring's start.</summary>
    private const int Wrapped = -1;

    private readonly byte[] _ring = GC.AllocateUninitializedArray<byte>(RingBytes);
    private int _read;
    private int _write;
    private int _count;

    public bool IsEmpty => _count == 0;

    /// <summary>Frames that found no room.</summary>
    public ulong Dropped { get; private set; }

    /// <summary>Room for a frame with its header, to be filled at once; empty when there is none.</summary>
    public Span<byte> Add(int bytes)
    {
        int needed = bytes + LengthBytes;
        int at = _write;
        bool isSplit = _count > 0 && _write <= _read;
        int end = isSplit ? _read : RingBytes;
        if (end - at < needed)
        {
            if (isSplit || _read < needed || _count == 0)
            {
                Dropped++;
                return default;
            }

            if (RingBytes - at >= LengthBytes) BinaryPrimitives.WriteInt32LittleEndian(_ring.AsSpan(at), Wrapped);
            at = 0;
        }

        BinaryPrimitives.WriteInt32LittleEndian(_ring.AsSpan(at), bytes);
        _write = at + needed;
        _count++;
        return _ring.AsSpan(at + LengthBytes, bytes);
    }

    /// <summary>Takes the oldest frame.</summary>
    /// <returns>Its bytes; 0 when it does not fit and was dropped.</returns>
    public int Take(ReadOnlySpan<IoVec> into, int room)
    {
        if (RingBytes - _read < LengthBytes || BinaryPrimitives.ReadInt32LittleEndian(_ring.AsSpan(_read)) == Wrapped) _read = 0;
        int bytes = BinaryPrimitives.ReadInt32LittleEndian(_ring.AsSpan(_read));
        ReadOnlySpan<byte> frame = _ring.AsSpan(_read + LengthBytes, bytes);
        _read += LengthBytes + bytes;
        if (--_count == 0) (_read, _write) = (0, 0);
        if (bytes > room)
        {
            Dropped++;
            return 0;
        }

        IoCursor cursor = new(into);
        cursor.Fill(frame);
        return bytes;
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => (_read, _write, _count) = (0, 0, 0);
}
