using Iced.Intel;

namespace Vmm.Cpu.Tests.Oracle.Generation;

/// <summary>Makes single-instruction cases: an encoding, registers that lead its operands to data memory, and fitting values.</summary>
internal sealed class CaseBuilder
{
    private const int MaxTries = 400;
    private const int Rax = 0;
    private const int Rcx = 1;
    private const int Rdx = 2;

    private readonly InstructionCatalog _catalog;
    private readonly OperandPlacer _placer;
    private readonly InstructionDrawer _drawer;
    private readonly byte[] _background = new byte[OracleLayout.DataSize];
    private readonly ulong _seed;
    private readonly bool _hasSegmentBases;
    private readonly uint _codeBase;

    /// <param name="hasSegmentBases">Whether FS and GS overrides can be tried in 64-bit code.</param>
    public CaseBuilder(InstructionCatalog catalog, ulong seed, bool hasSegmentBases)
    {
        _catalog = catalog;
        _seed = seed;
        _hasSegmentBases = hasSegmentBases && catalog.Bitness == 64;
        _codeBase = OracleSegments.CodeBase(catalog.Bitness);
        _placer = new OperandPlacer(catalog.Bitness);
        _drawer = new InstructionDrawer(catalog);
        Rng rng = new(seed);
        OperandValues.FillBackground(ref rng, _background);
    }

    /// <summary>Makes case <paramref name="index"/> of the run. False when the draw was unusable; another index will do.</summary>
    public bool TryBuild(long index, OracleCase to)
    {
        Rng rng = Rng.ForCase(_seed, index);
        InstructionTemplate template = _catalog.Templates[rng.Below(_catalog.Templates.Count)];
        to.Seed = _seed;
        to.Index = index;
        to.Bitness = _catalog.Bitness;
        for (int i = 0; i < MaxTries; i++)
        {
            if (TryBuild(ref rng, template, to)) return true;
        }

        return false;
    }

    private bool TryBuild(ref Rng rng, InstructionTemplate template, OracleCase to)
    {
        to.Address = OracleLayout.Code + OracleLayout.PageSize + (uint)rng.Below((int)(OracleLayout.CodeSize - (2 * OracleLayout.PageSize)));
        if (!_drawer.TryDraw(ref rng, template, to.Address - _codeBase, out Instruction instruction)) return false;
        // Vendors differ in whether ARPL asks for the right to write when there is nothing to change.
        _placer.AvoidFaults = instruction.Mnemonic == Mnemonic.Arpl;
        if (_placer.AvoidFaults && instruction.SegmentPrefix == Register.CS) return false;
        if (PatchConstants(ref rng, instruction, to.Address) && !_drawer.TryDecode(out instruction)) return false;
        if (!_hasSegmentBases && instruction.SegmentPrefix is Register.FS or Register.GS) return false;

        RegisterState registers = default;
        registers.Randomize(ref rng);
        if (!PinSpecialRegisters(ref rng, instruction, ref registers, to)) return false;
        if (!_placer.TryPlace(ref rng, instruction, ref registers)) return false;

        to.Instructions[0] = instruction;
        to.InstructionCount = 1;
        to.Length = instruction.Length;
        _drawer.Bytes[..to.Length].CopyTo(to.Bytes);
        _background.CopyTo(to.Data, 0);
        foreach ((ulong address, MemorySize size, OpAccess access) in _placer.Operands)
        {
            if (access != OpAccess.Write && size.GetSize() > 0 && rng.Chance(60)) OperandValues.Poke(ref rng, to.Data, address, size);
        }

        to.OperandAddress = _placer.Operands.Count > 0 ? _placer.Operands[0].Address : 0;
        FitValues(ref rng, instruction, ref registers, to);
        StateMixer.FillSystem(ref rng, ref to.Input);
        unsafe
        {
            for (int i = 0; i < 16; i++) to.Input.Gpr[i] = to.Bitness == 64 ? registers[i] : i < 8 ? (uint)registers[i] : 0;
        }

        to.Input.Rip = to.Address - _codeBase;
        return true;
    }

    // Displacements that are addresses, branch targets and immediates get chosen values. True when bytes changed.
    private bool PatchConstants(ref Rng rng, in Instruction instruction, uint address)
    {
        ConstantOffsets offsets = _drawer.ConstantsOf(instruction);
        bool changed = false;
        if (offsets.HasDisplacement && instruction.MemoryBase is Register.None or Register.RIP or Register.EIP && instruction.MemoryIndex == Register.None)
        {
            ulong target = _placer.ChooseFixed(ref rng, instruction.MemorySize);
            target -= OracleSegments.Base(_catalog.Bitness, instruction.MemorySegment);
            if (instruction.IsIPRelativeMemoryOperand) target -= address + (ulong)instruction.Length;
            _drawer.Write(offsets.DisplacementOffset, offsets.DisplacementSize, target);
            changed = true;
        }

        if (offsets.HasImmediate)
        {
            ulong value = instruction.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64
                ? BranchTargets.ChooseOffset(ref rng, instruction, _catalog.Bitness, address, offsets.ImmediateSize)
                : ValueMixer.Integer(ref rng);
            _drawer.Write(offsets.ImmediateOffset, offsets.ImmediateSize, value);
            changed = true;
        }

        if (offsets.HasImmediate2)
        {
            _drawer.Write(offsets.ImmediateOffset2, offsets.ImmediateSize2, ValueMixer.Integer(ref rng));
            changed = true;
        }

        return changed;
    }

    private bool PinSpecialRegisters(ref Rng rng, in Instruction instruction, ref RegisterState registers, OracleCase to)
    {
        if (instruction.IsStringInstruction && (instruction.HasRepPrefix || instruction.HasRepnePrefix))
        {
            ulong count = (ulong)(rng.Below(10) switch { < 6 => rng.Below(9), < 9 => rng.Below(65), _ => rng.Below(700) });
            // With a 32-bit count the upper half is noise.
            bool isNarrow = instruction.Op0Kind is OpKind.MemoryESEDI or OpKind.MemorySegESI || instruction.Op1Kind is OpKind.MemoryESEDI or OpKind.MemorySegESI;
            if (isNarrow) count |= rng.Next() << 32;
            return registers.TryPin(Rcx, count);
        }

        switch (instruction.Mnemonic)
        {
            // A register bit offset reaches far from the operand.
            case Mnemonic.Bt or Mnemonic.Btc or Mnemonic.Btr or Mnemonic.Bts when instruction is { Op0Kind: OpKind.Memory, Op1Kind: OpKind.Register }:
                ulong offset = (ulong)(long)rng.Between(-2000, 2000);
                ulong above = instruction.Op1Register.GetSize() switch { 2 => rng.Next() << 16, 4 => rng.Next() << 32, _ => 0 };
                ulong mask = instruction.Op1Register.GetSize() switch { 2 => 0xffff, 4 => 0xffff_ffff, _ => ulong.MaxValue };
                return registers.TryPin(RegisterState.Number(instruction.Op1Register), (offset & mask) | above);
            case Mnemonic.Pcmpestri or Mnemonic.Pcmpestrm or Mnemonic.Pcmpestri64 or Mnemonic.Pcmpestrm64 when rng.Chance(80):
                return registers.TryPin(Rax, (ulong)(long)rng.Between(-18, 18)) && registers.TryPin(Rdx, (ulong)(long)rng.Between(-18, 18));
            default:
                return PinBranchTarget(ref rng, instruction, ref registers, to) && PinSelector(ref rng, instruction, ref registers);
        }
    }

    private bool PinBranchTarget(ref Rng rng, in Instruction instruction, ref RegisterState registers, OracleCase to)
    {
        bool isIndirect = instruction.FlowControl is FlowControl.IndirectBranch or FlowControl.IndirectCall && instruction.Op0Kind == OpKind.Register;
        return !isIndirect || registers.TryPin(RegisterState.Number(instruction.Op0Register), BranchTargets.Choose(ref rng, to.Bitness, to.Address) - _codeBase);
    }

    private static bool PinSelector(ref Rng rng, in Instruction instruction, ref RegisterState registers)
    {
        if (!TakesSelector(instruction)) return true;
        for (int i = 0; i < instruction.OpCount; i++)
        {
            if (instruction.GetOpKind(i) != OpKind.Register || !instruction.GetOpRegister(i).IsGPR()) continue;
            ulong value = (rng.Next() & ~0xffffUL) | StateMixer.ChooseSelector(ref rng);
            if (!registers.TryPin(RegisterState.Number(instruction.GetOpRegister(i)), value)) return false;
        }

        return true;
    }

    private static bool TakesSelector(in Instruction instruction) => instruction.Mnemonic switch
    {
        Mnemonic.Mov => instruction.Op0Kind == OpKind.Register && instruction.Op0Register.IsSegmentRegister(),
        Mnemonic.Pop => instruction.Op0Kind == OpKind.Register && instruction.Op0Register.IsSegmentRegister(),
        Mnemonic.Lar or Mnemonic.Lsl or Mnemonic.Verr or Mnemonic.Verw or Mnemonic.Arpl => true,
        Mnemonic.Lds or Mnemonic.Les or Mnemonic.Lfs or Mnemonic.Lgs or Mnemonic.Lss => true,
        _ => false,
    };

    // Values in memory and registers that make the interesting outcome likely, or the outcome repeatable.
    private void FitValues(ref Rng rng, in Instruction instruction, ref RegisterState registers, OracleCase to)
    {
        ulong operand = to.OperandAddress;
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Cmpxchg when rng.Chance(50):
                OperandValues.Write64(to.Data, operand, registers[Rax]);
                break;
            case Mnemonic.Cmpxchg8b when rng.Chance(60):
                OperandValues.Write64(to.Data, operand, (uint)registers[Rax] | (registers[Rdx] << 32));
                break;
            case Mnemonic.Cmpxchg16b when rng.Chance(60):
                OperandValues.Write64(to.Data, operand, registers[Rax]);
                OperandValues.Write64(to.Data, operand + 8, registers[Rdx]);
                break;
            case Mnemonic.Div or Mnemonic.Idiv when rng.Chance(75):
                ShrinkDividend(ref rng, ref registers, instruction.Mnemonic == Mnemonic.Idiv);
                break;
            case Mnemonic.Popf or Mnemonic.Popfd or Mnemonic.Popfq:
                // TF would trap in the stub behind the case.
                OperandValues.Write64(to.Data, operand, rng.Next() & ~(ulong)RflagsBit.TF);
                break;
            case Mnemonic.Ldmxcsr:
                OperandValues.Write64(to.Data, operand, StateMixer.ChooseMxcsr(ref rng) | (rng.Chance(10) ? 1UL << rng.Between(18, 31) : 0), 4);
                break;
            case Mnemonic.Fldcw:
                OperandValues.Write64(to.Data, operand, StateMixer.ChooseFcw(ref rng), 2);
                break;
            case Mnemonic.Fxrstor or Mnemonic.Fxrstor64:
                FitFxImage(ref rng, to, operand);
                break;
            case Mnemonic.Fldenv or Mnemonic.Frstor:
                OperandValues.Write64(to.Data, operand, StateMixer.ChooseFcw(ref rng), 2);
                break;
            default:
                FitTargets(ref rng, instruction, to);
                break;
        }
    }

    private void FitTargets(ref Rng rng, in Instruction instruction, OracleCase to)
    {
        bool readsTarget = instruction.FlowControl is FlowControl.Return
            || (instruction.FlowControl is FlowControl.IndirectBranch or FlowControl.IndirectCall && instruction.Op0Kind == OpKind.Memory);
        foreach ((ulong address, MemorySize size, OpAccess access) in _placer.Operands)
        {
            if (access == OpAccess.Write) continue;
            if (readsTarget) OperandValues.Write64(to.Data, address, BranchTargets.Choose(ref rng, to.Bitness, to.Address) - _codeBase, size.GetSize());
            if (!TakesSelector(instruction)) continue;
            // The selector is the operand itself, or the last word of a far pointer.
            bool isFar = instruction.Mnemonic is Mnemonic.Lds or Mnemonic.Les or Mnemonic.Lfs or Mnemonic.Lgs or Mnemonic.Lss;
            ulong at = isFar ? address + (ulong)size.GetSize() - 2 : address;
            OperandValues.Write64(to.Data, at, StateMixer.ChooseSelector(ref rng), 2);
        }
    }

    private static void FitFxImage(ref Rng rng, OracleCase to, ulong operand)
    {
        OperandValues.Write64(to.Data, operand + MachineImage.FxFcw, StateMixer.ChooseFcw(ref rng), 2);
        OperandValues.Write64(to.Data, operand + MachineImage.FxFsw, StateMixer.ChooseFsw(ref rng), 2);
        // FOP and the pointers keep to what every CPU can hold.
        OperandValues.Write64(to.Data, operand + MachineImage.FxFtw, rng.Next() & 0xff);
        OperandValues.Write64(to.Data, operand + 16, 0);
        uint mxcsr = StateMixer.ChooseMxcsr(ref rng) | (rng.Chance(5) ? 1u << rng.Between(18, 31) : 0);
        OperandValues.Write64(to.Data, operand + MachineImage.FxMxcsr, mxcsr);
        Span<byte> value = stackalloc byte[16];
        for (int i = 0; i < 8; i++)
        {
            value.Clear();
            ValueMixer.Extended(ref rng, value);
            OperandValues.Write(to.Data, operand + MachineImage.FxSt + (16 * (ulong)i), value);
        }
    }

    // A quotient that fits: the upper half no more than the sign of, or a little above, the lower.
    private static void ShrinkDividend(ref Rng rng, ref RegisterState registers, bool isSigned)
    {
        ulong upper = isSigned && (long)registers[Rax] < 0 ? ulong.MaxValue : 0;
        if (rng.Chance(50)) upper = (ulong)rng.Below(4);
        registers.TryPin(Rdx, upper);
        if (rng.Chance(50)) registers.TryPin(Rax, registers[Rax] & 0x7fff);
    }
}
