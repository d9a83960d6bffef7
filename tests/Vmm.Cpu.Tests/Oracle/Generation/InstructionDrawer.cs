using System.Buffers.Binary;
using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>Draws one encoding and decodes it; lets constants in it be replaced.</summary>
internal sealed class InstructionDrawer
{
    private readonly InstructionCatalog _catalog;
    private readonly byte[] _buffer = new byte[16];
    private readonly BufferCodeReader _reader;
    private readonly Decoder _decoder;
    private readonly Decoder _otherVendor;
    private ulong _ip;

    public InstructionDrawer(InstructionCatalog catalog)
    {
        _catalog = catalog;
        _reader = new BufferCodeReader(_buffer);
        _decoder = Decoder.Create(catalog.Bitness, _reader);
        _otherVendor = Decoder.Create(catalog.Bitness, _reader, DecoderOptions.AMD);
    }

    public ReadOnlySpan<byte> Bytes => _buffer;

    /// <summary>Draws an encoding of the template at <paramref name="ip"/>. False when it came out as something that may not run.</summary>
    public bool TryDraw(ref Rng rng, InstructionTemplate template, ulong ip, out Instruction instruction)
    {
        template.Emit(ref rng, _buffer);
        _ip = ip;
        if (!TryDecode(out instruction)) return false;
        // Where the vendors decode the same bytes differently, the host is no judge.
        _reader.Rewind();
        _otherVendor.IP = ip;
        _otherVendor.Decode(out Instruction other);
        return other.Code == instruction.Code && other.Length == instruction.Length;
    }

    /// <summary>Decodes again after a constant was replaced.</summary>
    public bool TryDecode(out Instruction instruction)
    {
        _reader.Rewind();
        _decoder.IP = _ip;
        _decoder.Decode(out instruction);
        return instruction.Code != Code.INVALID && _catalog.Allows(instruction) && !IsExchangeTakenForPause(instruction);
    }

    // With REX.B, F3 90 is XCHG R8, RAX to the processors, but PAUSE to the decoder.
    private bool IsExchangeTakenForPause(in Instruction instruction)
        => instruction.Code == Code.Pause && instruction.Length > 2 && (_buffer[instruction.Length - 2] & 0xf1) == 0x41;

    public ConstantOffsets ConstantsOf(in Instruction instruction) => _decoder.GetConstantOffsets(instruction);

    public void Write(int offset, int size, ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        bytes[..size].CopyTo(_buffer.AsSpan(offset));
    }
}
