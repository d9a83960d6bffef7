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

    /// <summary>Whole sequences with short lengths and everything at hand, which nearly all are: no state is kept between their parts.</summary>
    private void RunFast(int limit)
    {
        byte[] input = _input;
        byte[] output = _output;
        int at = _inputAt;
        int made = _made;
        // A token, up to 14 literals (copied 16 wide), an offset; then at most 18 bytes of match (copied 16 wide, twice). The
        // sequence must not be a block's last, which has no match.
        int inputLimit = (int)Math.Min(_inputEnd, _inputAt + (long)_blockLeft) - (1 + Wide + 2);
        int outputLimit = Math.Min(limit, made + (BlockOutputBytes - _blockMade)) - (3 * Wide);
        while (at < inputLimit && made <= outputLimit)
        {
            int token = input[at];
            int literals = token >> 4;
            int match = token & LengthMask;
            if (literals == LengthMask || match == LengthMask) break;
            int offset = BinaryPrimitives.ReadUInt16LittleEndian(input.AsSpan(at + 1 + literals));
            if (offset == 0 || offset > _blockMade + (made - _made) + literals || offset > made + literals) break;
            Vector128.Create<byte>(input.AsSpan(at + 1, Wide)).CopyTo(output.AsSpan(made));
            made += literals;
            match += MinimumMatch;
            int from = made - offset;
            if (offset >= Wide)
            {
                Vector128.Create<byte>(output.AsSpan(from, Wide)).CopyTo(output.AsSpan(made));
                if (match > Wide) Vector128.Create<byte>(output.AsSpan(from + Wide, Wide)).CopyTo(output.AsSpan(made + Wide));
            }
            else
            {
                for (int i = 0; i < match; i++) output[made + i] = output[from + i];
            }

            made += match;
            at += 1 + literals + 2;
        }

        _blockLeft -= (uint)(at - _inputAt);
        _blockMade += made - _made;
        _inputAt = at;
        _made = made;
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
        while (count != 0)
        {
            // What lies between source and end can be copied at once.
            int part = Math.Min(count, _matchOffset);
            _output.AsSpan(_made - _matchOffset, part).CopyTo(_output.AsSpan(_made));
            Advance(part);
            count -= part;
        }

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
