using System.IO.Hashing;
using StreamReader = Vmm.Network.Stream.StreamReader;

namespace Vmm.Fuzz.Network;

/// <summary>
/// A stream between guests, from a peer that sends anything. The first byte says in which pieces the rest comes; the frames must be the same
/// as of the stream in one piece.
/// </summary>
public sealed class StreamTarget : IFuzzTarget
{
    private readonly StreamReader _reader = new();

    /// <inheritdoc/>
    public string Name => "stream";

    /// <inheritdoc/>
    public int MostBytes => 256 * 1024;

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty) return;
        (int Frames, ulong Hash, bool IsGood) whole = Read(input[1..], int.MaxValue, 0), pieces = Read(input[1..], 1 + input[0] % 16, input[0] / 16);
        if (whole != pieces) throw new InvalidOperationException($"{whole} in one piece, {pieces} in pieces");
    }

    private (int Frames, ulong Hash, bool IsGood) Read(ReadOnlySpan<byte> stream, int pieceBytes, int growth)
    {
        XxHash64 hash = new();
        int frames = 0;
        _reader.Clear();
        while (true)
        {
            if (!_reader.TryTake(out ReadOnlySpan<byte> frame)) return (frames, hash.GetCurrentHashAsUInt64(), false);
            if (!frame.IsEmpty)
            {
                hash.Append(frame);
                hash.Append([(byte)frame.Length]);
                frames++;
                continue;
            }

            Span<byte> room = _reader.Room;
            if (room.IsEmpty) throw new InvalidOperationException("no frame is whole, and there is no room for more");
            if (stream.IsEmpty) return (frames, hash.GetCurrentHashAsUInt64(), true);
            int count = Math.Min(Math.Min(room.Length, stream.Length), pieceBytes);
            stream[..count].CopyTo(room);
            _reader.Advance(count);
            stream = stream[count..];
            pieceBytes = (int)Math.Min((long)pieceBytes + growth, int.MaxValue);
        }
    }
}
