using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Vmm.Firmware.Boot;

/// <summary>
/// Reads an LZ4 legacy frame (lz4_Frame_format.md, "Legacy frame"; lz4_Block_format.md): a magic number, then blocks of at most 8 MiB, each with its
/// packed size. A general-purpose decoder wants a whole block and its output in memory; this one holds a window of 64 KiB and a little.
/// </summary>
internal sealed class Lz4LegacyStream : Stream
{
    private const int HistoryBytes = 64 * 1024;
    private const int ChunkBytes = 128 * 1024;
    private const int BlockOutputBytes = 8 << 20;
    private const int MinimumMatch = 4;
    private const int LengthMask = 15;
    private const int Wide = 16;

    private readonly Stream _source;
    private readonly byte[] _input = new byte[64 * 1024];

    // The history, then the chunk that is being made, then room for one wide copy too many.
    private readonly byte[] _output = new byte[HistoryBytes + ChunkBytes + Wide];

    private int _inputAt;
    private int _inputEnd;
    private int _made;
    private int _taken;
    private uint _blockLeft;
    private int _blockMade;
    private int _literals;
    private int _token;
    private int _matchLeft;
    private int _matchOffset;
    private State _state = State.Frame;

    public Lz4LegacyStream(Stream source) => _source = source;

    private enum State
    {
        Frame,
        Block,
        Sequence,
        Literals,
        Offset,
        Match,
        End,
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <exception cref="InvalidDataException">The stream is not a well-formed frame.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (_taken == _made) Refill();
        int count = Math.Min(buffer.Length, _made - _taken);
        _output.AsSpan(_taken, count).CopyTo(buffer);
        _taken += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush() { }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) _source.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Keeps the last 64 KiB as history and makes the next chunk.</summary>
    private void Refill()
    {
        if (_made > HistoryBytes)
        {
            _output.AsSpan(_made - HistoryBytes, HistoryBytes).CopyTo(_output);
            _made = _taken = HistoryBytes;
        }

        int limit = _output.Length - Wide;
        while (_made < limit && _state != State.End)
        {
            switch (_state)
            {
                case State.Frame:
                    if (NextLong() is not 0x184c2102u) throw Broken("no LZ4 legacy magic");
                    _state = State.Block;
                    break;
                case State.Block:
                    StartBlock();
                    break;
                case State.Sequence:
                    RunFast(limit);
                    if (_state == State.Sequence && _made < limit) StartSequence();
                    break;
                case State.Literals:
                    CopyLiterals(limit);
                    break;
                case State.Offset:
                    StartMatch();
                    break;
                case State.Match:
                    CopyMatch(limit);
                    break;
            }
        }
    }

    private void StartBlock()
    {
        if (_inputAt == _inputEnd && !FillInput())
        {
            _state = State.End;
            return;
        }

        _blockLeft = NextLong();
        if (_blockLeft == 0) throw Broken("an empty block");
        _blockMade = 0;
        _state = State.Sequence;
    }

    /// <summary>
    /// Whole sequences for which input and room are at hand, which nearly all are. What cannot be finished here is left as it was, for the
    /// states to do: nothing counts before the end of the loop.
    /// </summary>
    private void RunFast(int limit)
    {
        ReadOnlySpan<byte> input = _input.AsSpan(0, (int)Math.Min(_inputEnd, _inputAt + (long)_blockLeft));
        Span<byte> output = _output;
        int at = _inputAt;
        int made = _made;
        int blockStart = made - _blockMade;
        // A block's last sequence has no match, so it must not be taken for one that has.
        int inputLimit = input.Length - (2 * Wide);
        int outputLimit = Math.Min(limit, blockStart + BlockOutputBytes) - Wide;
        while (at < inputLimit)
        {
            int from = at;
            int token = input[from++];
            int literals = token >> 4;
            if (literals == LengthMask && !TryExtend(input, ref from, ref literals)) break;
            int target = made + literals;
            if (literals > inputLimit - from || target > outputLimit) break;
            CopyWide(input[from..], output[made..], literals);
            from += literals;

            int offset = BinaryPrimitives.ReadUInt16LittleEndian(input[from..]);
            from += sizeof(ushort);
            int match = token & LengthMask;
            if (match == LengthMask && !TryExtend(input, ref from, ref match)) break;
            match += MinimumMatch;
            if (offset == 0 || offset > target - blockStart || offset > target || match > outputLimit - target || from >= input.Length) break;
            if (offset >= Wide) CopyWide(output[(target - offset)..], output[target..], match);
            else CopyPattern(output, target, offset, match);
            made = target + match;
            at = from;
        }

        _blockLeft -= (uint)(at - _inputAt);
        _blockMade = made - blockStart;
        _inputAt = at;
        _made = made;
    }

    /// <summary>Adds the further bytes of a length; false when they go on beyond what is at hand.</summary>
    private static bool TryExtend(ReadOnlySpan<byte> input, ref int at, ref int length)
    {
        while (at < input.Length && length < ChunkBytes)
        {
            int more = input[at++];
            length += more;
            if (more != byte.MaxValue) return true;
        }

        return false;
    }

    /// <summary>Copies 16 bytes at a time and so up to 15 too many; the source may be the target's own beginning, 16 or more before it.</summary>
    private static void CopyWide(ReadOnlySpan<byte> source, Span<byte> target, int count)
    {
        for (int i = 0; i < count; i += Wide) Vector128.Create(source.Slice(i, Wide)).CopyTo(target.Slice(i, Wide));
    }

    /// <summary>Repeats the last <paramref name="offset"/> bytes; what is made of them can be copied with them, so each piece is twice the one before.</summary>
    private static void CopyPattern(Span<byte> output, int target, int offset, int count)
    {
        int from = target - offset;
        while (count != 0)
        {
            int part = Math.Min(count, target - from);
            output.Slice(from, part).CopyTo(output[target..]);
            target += part;
            count -= part;
        }
    }

    private void StartSequence()
    {
        _token = NextInBlock();
        _literals = Extended(_token >> 4);
        _state = State.Literals;
    }

    private void CopyLiterals(int limit)
    {
        if (_literals != 0)
        {
            if (_inputAt == _inputEnd && !FillInput()) throw Broken("truncated");
            int count = Math.Min(Math.Min(_literals, limit - _made), _inputEnd - _inputAt);
            if ((uint)count > _blockLeft) throw Broken("literals run past their block");
            _input.AsSpan(_inputAt, count).CopyTo(_output.AsSpan(_made));
            _inputAt += count;
            _blockLeft -= (uint)count;
            Advance(count);
            _literals -= count;
            if (_literals != 0) return;
        }

        // A block ends after the literals of its last sequence.
        _state = _blockLeft == 0 ? State.Block : State.Offset;
    }

    private void StartMatch()
    {
        _matchOffset = NextInBlock() | (NextInBlock() << 8);
        if (_matchOffset == 0 || _matchOffset > _blockMade) throw Broken("a match outside its block");
        _matchLeft = Extended(_token & LengthMask) + MinimumMatch;
        _state = State.Match;
    }

    private void CopyMatch(int limit)
    {
        int count = Math.Min(_matchLeft, limit - _made);
        _matchLeft -= count;
        CopyPattern(_output, _made, _matchOffset, count);
        Advance(count);
        if (_matchLeft != 0) return;
        if (_blockLeft == 0) throw Broken("a block ends with a match");
        _state = State.Sequence;
    }

    private void Advance(int count)
    {
        _made += count;
        _blockMade += count;
        if (_blockMade > BlockOutputBytes) throw Broken("a block unpacks to more than 8 MiB");
    }

    /// <summary>A length nibble with its further bytes.</summary>
    private int Extended(int length)
    {
        if (length != LengthMask) return length;
        int more;
        do
        {
            more = NextInBlock();
            length += more;
            if (length > BlockOutputBytes) throw Broken("a length beyond 8 MiB");
        }
        while (more == byte.MaxValue);
        return length;
    }

    private int NextInBlock()
    {
        if (_blockLeft == 0) throw Broken("a sequence runs past its block");
        _blockLeft--;
        return NextByte();
    }

    private byte NextByte()
    {
        if (_inputAt == _inputEnd && !FillInput()) throw Broken("truncated");
        return _input[_inputAt++];
    }

    private uint NextLong() => NextByte() | ((uint)NextByte() << 8) | ((uint)NextByte() << 16) | ((uint)NextByte() << 24);

    private bool FillInput()
    {
        _inputAt = 0;
        _inputEnd = _source.Read(_input, 0, _input.Length);
        return _inputEnd != 0;
    }

    private static InvalidDataException Broken(string why) => new($"bad LZ4 data: {why}");
}
