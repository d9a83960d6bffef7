using Iced.Intel;
using Vmm.Core.Memory;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Decode;

/// <summary>Turns guest bytes into blocks: Iced reads the instruction, <see cref="InstructionTable"/> says which steps it becomes.</summary>
internal sealed unsafe class BlockDecoder
{
    /// <summary>No block is longer than this.</summary>
    public const int MaxBlockBytes = 256;

    private const int MaxInstructions = 48;
    private const int MaxInstructionBytes = 15;
    private const int MaxOps = MaxInstructions * 3;

    private readonly Cpu _cpu;
    private readonly Emitter _emitter = new();
    private readonly PointerReader _reader = new();
    private readonly Decoder[] _decoders;

    public BlockDecoder(Cpu cpu)
    {
        _cpu = cpu;
        _decoders =
        [
            Decoder.Create(16, _reader),
            Decoder.Create(32, _reader),
            Decoder.Create(64, _reader, DecoderOptions.AMD),
        ];
    }

    /// <summary>After a null result: there was no room.</summary>
    public bool ArenaFull { get; private set; }

    /// <summary>Decodes and keeps the block at a host address. Null when its first instruction crosses the page, or the arena is full.</summary>
    public Block* Decode(byte* host, ulong physical, CpuMode mode)
    {
        int room = (int)(GuestAddress.PageSize - (physical & (GuestAddress.PageSize - 1)));
        Block* block = _cpu.Blocks.Reserve(MaxOps + Emitter.MaxOpsPerInstruction + 1);
        ArenaFull = block == null;
        if (block == null) return null;
        int bytes = Fill(block, host, room, mode, MaxInstructions, MaxOps);
        if (bytes == 0) return null;
        block->Physical = physical;
        _cpu.Blocks.Commit(block, _emitter.Count);
        return block;
    }

    /// <summary>Decodes one instruction into a block that is not kept. False when the bytes end before the instruction does.</summary>
    public bool DecodeOne(Block* block, byte* bytes, int count, CpuMode mode)
    {
        int length = Fill(block, bytes, count, mode, 1, Emitter.MaxOpsPerInstruction);
        block->Physical = Block.NotKept;
        return length != 0;
    }

    private int Fill(Block* block, byte* host, int room, CpuMode mode, int maxInstructions, int maxOps)
    {
        *block = default;
        block->Mode = mode;
        Decoder decoder = _decoders[(int)(mode & CpuMode.CodeSizeMask)];
        _reader.Begin(host, room);
        _emitter.Begin(Block.Ops(block), mode);
        decoder.IP = 0;
        int offset = 0, count = 0;
        while (count < maxInstructions && _emitter.Count < maxOps && offset < MaxBlockBytes - MaxInstructionBytes)
        {
            decoder.Decode(out Instruction instruction);
            int length = instruction.Length;
            if (instruction.IsInvalid && decoder.LastError == DecoderError.NoMoreBytes)
            {
                if (room - offset >= MaxInstructionBytes) length = MaxInstructionBytes;
                else break;
            }

            _emitter.BeginInstruction(offset, length);
            offset += length;
            count++;
            InstructionTable.Emit(_cpu, _emitter, instruction);
            if (_emitter.Ended) break;
        }

        if (count == 0) return 0;
        if (!_emitter.Ended)
        {
            _emitter.BeginInstruction(offset, 0);
            _emitter.End(OpCode.Continue);
        }

        block->ByteLength = (ushort)offset;
        block->InstructionCount = (ushort)count;
        return offset;
    }

    private sealed class PointerReader : CodeReader
    {
        private byte* _next;
        private byte* _end;

        public void Begin(byte* bytes, int count)
        {
            _next = bytes;
            _end = bytes + count;
        }

        // SAFETY: [_next, _end) lies within one guest page or the caller's buffer for as long as Fill runs.
        public override int ReadByte() => _next < _end ? *_next++ : -1;
    }
}
