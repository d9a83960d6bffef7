using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>The fixed bits of one instruction's encoding; everything else about its bytes is drawn at random.</summary>
internal sealed class InstructionTemplate
{
    private const byte OperandSizePrefix = 0x66;
    private const byte AddressSizePrefix = 0x67;
    private const byte RexW = 0x48;
    private const byte Fwait = 0x9b;

    private readonly OpCodeInfo _info;
    private readonly int _bitness;
    private readonly bool _hasRegisterInOpcode;

    public InstructionTemplate(Code code, int bitness)
    {
        Code = code;
        _info = code.ToOpCode();
        _bitness = bitness;
        for (int i = 0; i < _info.OpCount; i++)
        {
            _hasRegisterInOpcode |= _info.GetOpKind(i) is OpCodeOperandKind.r8_opcode or OpCodeOperandKind.r16_opcode
                or OpCodeOperandKind.r32_opcode or OpCodeOperandKind.r64_opcode or OpCodeOperandKind.sti_opcode;
        }
    }

    public Code Code { get; }

    /// <summary>Fills <paramref name="to"/> with an encoding and random bytes behind it; a decoder finds out where it ends.</summary>
    public void Emit(ref Rng rng, Span<byte> to)
    {
        for (int i = 0; i < to.Length; i++) to[i] = (byte)rng.Next();
        int at = 0;
        if (_info.Fwait) to[at++] = Fwait;
        at = EmitPrefixes(ref rng, to, at);
        if (_bitness == 64) at = EmitRex(ref rng, to, at);

        ReadOnlySpan<byte> escape = _info.Table switch
        {
            OpCodeTableKind.T0F => [0x0f],
            OpCodeTableKind.T0F38 => [0x0f, 0x38],
            OpCodeTableKind.T0F3A => [0x0f, 0x3a],
            _ => [],
        };
        escape.CopyTo(to[at..]);
        at += escape.Length;
        uint opcode = _info.OpCode;
        if (_info.OpCodeLength == 2) to[at++] = (byte)(opcode >> 8);
        to[at++] = (byte)opcode;
        if (_hasRegisterInOpcode) to[at - 1] |= (byte)rng.Below(8);
        if (_info.IsGroup) to[at] = (byte)((to[at] & 0xc7) | (_info.GroupIndex << 3));
        if (_info.IsRmGroup) to[at] = (byte)((to[at] & 0xf8) | _info.RmGroupIndex);
    }

    private int EmitPrefixes(ref Rng rng, Span<byte> to, int at)
    {
        // Redundant ones now and then: what they do, if anything, is for the two CPUs to agree on.
        if (rng.Chance(6)) to[at++] = rng.Pick<byte>([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x64, 0x65]);
        if (rng.Chance(2)) to[at++] = rng.Pick<byte>([OperandSizePrefix, 0xf2, 0xf3]);
        if (_info.CanUseLockPrefix && rng.Chance(25)) to[at++] = 0xf0;
        if ((_info.CanUseRepPrefix || _info.CanUseRepnePrefix) && rng.Chance(60)) to[at++] = rng.Chance(60) ? (byte)0xf3 : (byte)0xf2;
        if (_info.OperandSize != 0 && _info.OperandSize != DefaultOperandSize && _info.OperandSize != 64) to[at++] = OperandSizePrefix;
        bool wantsAddressPrefix = _info.AddressSize != 0 ? _info.AddressSize != _bitness : rng.Chance(7);
        if (wantsAddressPrefix) to[at++] = AddressSizePrefix;
        switch (_info.MandatoryPrefix)
        {
            case MandatoryPrefix.P66: to[at++] = OperandSizePrefix; break;
            case MandatoryPrefix.PF3: to[at++] = 0xf3; break;
            case MandatoryPrefix.PF2: to[at++] = 0xf2; break;
            default: break;
        }

        return at;
    }

    private int EmitRex(ref Rng rng, Span<byte> to, int at)
    {
        bool wide = _info.OperandSize == 64 || _info.W == 1;
        if (wide) to[at++] = (byte)(RexW | rng.Below(8));
        else if (rng.Chance(45)) to[at++] = (byte)(0x40 | rng.Below(8) | (_info.OperandSize == 0 && rng.Chance(10) ? 8 : 0));
        return at;
    }

    private int DefaultOperandSize => _bitness == 16 ? 16 : 32;
}
