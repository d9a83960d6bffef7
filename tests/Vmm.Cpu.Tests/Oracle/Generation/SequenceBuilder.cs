using Iced.Intel;
using Vmm.Cpu.Tests.Oracle.Judgement;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>
/// Makes cases of two to eight instructions without faults, whose flags flow from one to the next: what an interpreter that fuses
/// instructions and leaves out dead flags can get wrong. Two registers stay pointers to data throughout.
/// </summary>
internal sealed class SequenceBuilder
{
    private const int MaxTries = 2000;
    private const int PointerNumber = 3;
    private const int StackNumber = 4;
    private const Register Pointer = Register.RBX;

    private readonly InstructionDrawer _drawer;
    private readonly InstructionTemplate[] _general;
    private readonly InstructionTemplate[] _all;
    private readonly InstructionTemplate[] _endings;
    private readonly InstructionInfoFactory _infos = new();
    private readonly byte[] _background = new byte[OracleLayout.DataSize];
    private readonly ulong _seed;
    private readonly int _bitness;

    public SequenceBuilder(InstructionCatalog catalog, ulong seed)
    {
        _seed = seed;
        _bitness = catalog.Bitness;
        _drawer = new InstructionDrawer(catalog);
        _all = [.. catalog.Templates.Where(t => IsUsable(t.Code))];
        _general = [.. _all.Where(t => IsGeneral(t.Code))];
        _endings = [.. catalog.Templates.Where(t => t.Code.FlowControl() is FlowControl.ConditionalBranch && t.Code.IsJccShortOrNear()
            && t.Code.ToOpCode().OperandSize == catalog.Bitness)];
        Rng rng = new(seed);
        OperandValues.FillBackground(ref rng, _background);
    }

    /// <summary>Makes sequence <paramref name="index"/> of the run.</summary>
    public void Build(long index, OracleCase to)
    {
        Rng rng = Rng.ForCase(~_seed, index);
        to.Seed = _seed;
        to.Index = index;
        to.Bitness = _bitness;
        to.Length = 0;
        to.InstructionCount = 0;
        to.OperandAddress = 0;
        to.Address = OracleLayout.Code + OracleLayout.PageSize + (uint)rng.Below((int)(OracleLayout.CodeSize - (2 * OracleLayout.PageSize)));
        int wanted = rng.Between(2, OracleCase.MaxInstructions);
        bool endsInBranch = rng.Chance(40);
        RflagsBit undefined = 0;
        for (int i = 0; i < MaxTries && to.InstructionCount < wanted; i++)
        {
            bool isEnding = endsInBranch && to.InstructionCount == wanted - 1;
            InstructionTemplate[] from = isEnding ? _endings : rng.Chance(80) ? _general : _all;
            TryAppend(ref rng, from[rng.Below(from.Length)], ref undefined, to);
        }

        FillState(ref rng, to);
    }

    private static bool IsGeneral(Code code)
    {
        foreach (CpuidFeature feature in code.CpuidFeatures())
        {
            if (feature is not (CpuidFeature.INTEL8086 or CpuidFeature.INTEL186 or CpuidFeature.INTEL386 or CpuidFeature.INTEL486 or CpuidFeature.X64
                or CpuidFeature.CMOV or CpuidFeature.POPCNT or CpuidFeature.CX8)) return false;
        }

        return true;
    }

    // Left out: what faults for most operands, what changes how later instructions behave, and what reads undefined x87 bits.
    private static bool IsUsable(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        if (code.FlowControl() != FlowControl.Next || info.IsPrivileged || !info.Cpl3) return false;
        return info.Mnemonic switch
        {
            Mnemonic.Div or Mnemonic.Idiv or Mnemonic.Enter or Mnemonic.Leave or Mnemonic.Popf or Mnemonic.Popfd or Mnemonic.Popfq => false,
            Mnemonic.Bound or Mnemonic.Arpl or Mnemonic.Lar or Mnemonic.Lsl or Mnemonic.Verr or Mnemonic.Verw => false,
            Mnemonic.Lds or Mnemonic.Les or Mnemonic.Lfs or Mnemonic.Lgs or Mnemonic.Lss => false,
            Mnemonic.Ldmxcsr or Mnemonic.Fxrstor or Mnemonic.Fxrstor64 or Mnemonic.Fxsave or Mnemonic.Fxsave64 => false,
            Mnemonic.Fldcw or Mnemonic.Fldenv or Mnemonic.Frstor or Mnemonic.Fnsave or Mnemonic.Fnstenv or Mnemonic.Fnstsw => false,
            Mnemonic.Rcpps or Mnemonic.Rcpss or Mnemonic.Rsqrtps or Mnemonic.Rsqrtss or Mnemonic.Maskmovq or Mnemonic.Maskmovdqu => false,
            _ => !X87Rules.IsTranscendental(info.Mnemonic) && !HasSegmentOperand(info),
        };
    }

    private static bool HasSegmentOperand(OpCodeInfo info)
    {
        for (int i = 0; i < info.OpCount; i++)
        {
            if (info.GetOpKind(i) is OpCodeOperandKind.seg_reg or OpCodeOperandKind.es or OpCodeOperandKind.cs or OpCodeOperandKind.ss
                or OpCodeOperandKind.ds or OpCodeOperandKind.fs or OpCodeOperandKind.gs) return true;
        }

        return false;
    }

    private void TryAppend(ref Rng rng, InstructionTemplate template, ref RflagsBit undefined, OracleCase to)
    {
        ulong at = to.Address + (ulong)to.Length;
        // A random ModRM byte can make another instruction of the template's opcode (FNSTCW becomes FSIN).
        if (!_drawer.TryDraw(ref rng, template, at, out Instruction instruction) || !IsUsable(instruction.Code)) return;
        ConstantOffsets constants = _drawer.ConstantsOf(instruction);
        if (constants.HasDisplacement)
        {
            ulong displacement = Displacement(ref rng, instruction, at, constants.DisplacementSize);
            _drawer.Write(constants.DisplacementOffset, constants.DisplacementSize, displacement);
        }

        if (constants.HasImmediate)
        {
            ulong value = instruction.FlowControl == FlowControl.ConditionalBranch
                ? BranchTargets.ChooseForward(ref rng, (uint)at + (uint)instruction.Length, constants.ImmediateSize)
                : ValueMixer.Integer(ref rng);
            _drawer.Write(constants.ImmediateOffset, constants.ImmediateSize, value);
        }

        if (!_drawer.TryDecode(out instruction) || !KeepsToTheRules(instruction)) return;
        RflagsBit reads = UndefinedFlags.FromIced(instruction.RflagsRead);
        if ((reads & undefined) != 0) return;
        RflagsBit leaves = UndefinedFlags.Of(instruction, count: null);
        undefined = (undefined & ~Scrubber.Defined(instruction, leaves)) | leaves;
        to.Instructions[to.InstructionCount++] = instruction;
        _drawer.Bytes[..instruction.Length].CopyTo(to.Bytes.AsSpan(to.Length));
        to.Length += instruction.Length;
    }

    private static ulong Displacement(ref Rng rng, in Instruction instruction, ulong at, int size)
    {
        if (instruction.MemoryBase.GetFullRegister() is Pointer or Register.RSP)
            return (ulong)(long)(size == 1 ? rng.Between(-8, 7) * 16 : rng.Between(-60, 60) * 16) + (rng.Chance(30) ? (ulong)rng.Below(16) : 0);
        ulong target = OracleLayout.Data + (ulong)(rng.Below(0x3f0) * 16);
        return instruction.IsIPRelativeMemoryOperand ? target - (at + (ulong)instruction.Length) : target;
    }

    // Memory only through the pointers or at fixed places; the pointers are never written, but RSP by pushes and pops.
    private bool KeepsToTheRules(in Instruction instruction)
    {
        if (instruction.SegmentPrefix is Register.FS or Register.GS || instruction.HasRepPrefix || instruction.HasRepnePrefix) return false;
        bool isBitString = instruction is { Op0Kind: OpKind.Memory, Op1Kind: OpKind.Register } && instruction.Mnemonic is Mnemonic.Bt or Mnemonic.Btc or Mnemonic.Btr or Mnemonic.Bts;
        if (isBitString && instruction.Op0Kind == OpKind.Memory) return false;
        // By a count above 16 its result is undefined; a redundant prefix may have made it one.
        if (instruction.Code is Code.Shld_rm16_r16_CL or Code.Shrd_rm16_r16_CL or Code.Shld_rm16_r16_imm8 or Code.Shrd_rm16_r16_imm8) return false;
        InstructionInfo info = _infos.GetInfo(instruction);
        foreach (UsedMemory memory in info.GetUsedMemory())
        {
            bool isFixed = memory.Base == Register.None && OracleLayout.InArena(memory.Displacement, 64);
            if (memory.Index != Register.None || !(isFixed || memory.Base is Pointer or Register.RSP or Register.EBX or Register.ESP)) return false;
        }

        foreach (UsedRegister used in info.GetUsedRegisters())
        {
            if (used.Access is OpAccess.Read or OpAccess.CondRead or OpAccess.NoMemAccess or OpAccess.None) continue;
            Register full = used.Register.GetFullRegister();
            if (full == Pointer || (full == Register.RSP && !instruction.IsStackInstruction)) return false;
            if (full == Register.RSP && (instruction.Op0Kind == OpKind.Register && instruction.Op0Register.GetFullRegister() == Register.RSP)) return false;
        }

        return true;
    }

    private unsafe void FillState(ref Rng rng, OracleCase to)
    {
        _background.CopyTo(to.Data, 0);
        StateMixer.FillSystem(ref rng, ref to.Input);
        to.Input.Rflags &= ~(ulong)RflagsBit.AC;
        to.Input.Fcw |= 0x3f;
        to.Input.Mxcsr |= 0x1f80;
        for (int i = 0; i < 16; i++) to.Input.Gpr[i] = ValueMixer.Integer(ref rng);
        to.Input.Gpr[PointerNumber] = OracleLayout.Data + 0x1000 + ((ulong)rng.Below(0x180) * 16);
        to.Input.Gpr[StackNumber] = OracleLayout.Data + 0x6800 + ((ulong)rng.Below(0x80) * 16);
        to.Input.Rip = to.Address;
        if (_bitness == 64) return;
        for (int i = 0; i < 16; i++) to.Input.Gpr[i] = i < 8 ? (uint)to.Input.Gpr[i] : 0;
    }
}
