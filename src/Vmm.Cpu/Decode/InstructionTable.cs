using Iced.Intel;
using Vmm.Cpu.Execute;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Decode;

/// <summary>
/// Says which steps an instruction becomes. One case for each mnemonic (or group of alike ones); what no case and no family takes is #UD.
/// </summary>
internal static unsafe class InstructionTable
{
    public static void Emit(Cpu cpu, Emitter e, in Instruction i)
    {
        if (i.IsInvalid || (i.HasLockPrefix && !TakesLock(i)) || !(EmitInteger(cpu, e, i) || EmitFlow(e, i) || StringFamily.TryEmit(e, i) || SystemFamily.TryEmit(cpu, e, i)
            || SseFamily.TryEmit(cpu, e, i) || MmxFamily.TryEmit(cpu, e, i) || X87Family.TryEmit(cpu, e, i) || XsaveFamily.TryEmit(cpu, e, i)))
        {
            e.EndHandler(&SystemFamily.Undefined);
        }
    }

    // Iced refuses LOCK on register forms already; CR8 by "lock mov cr0" is AMD's.
    private static bool TakesLock(in Instruction i) => i.Op0Kind == OpKind.Memory;

    private static bool EmitInteger(Cpu cpu, Emitter e, in Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Mov: return EmitMov(e, i);
            case Mnemonic.Movzx: return EmitExtend(e, i, signed: false);
            case Mnemonic.Movsx: case Mnemonic.Movsxd: return EmitExtend(e, i, signed: true);
            case Mnemonic.Lea: return EmitLea(e, i);
            case Mnemonic.Add: return EmitAlu(e, i, OpCode.Add8RR, IntegerFamily.UpAdd);
            case Mnemonic.Or: return EmitAlu(e, i, OpCode.Or8RR, IntegerFamily.UpOr);
            case Mnemonic.Adc: return EmitAlu(e, i, OpCode.Adc8RR, IntegerFamily.UpAdc);
            case Mnemonic.Sbb: return EmitAlu(e, i, OpCode.Sbb8RR, IntegerFamily.UpSbb);
            case Mnemonic.And: return EmitAlu(e, i, OpCode.And8RR, IntegerFamily.UpAnd);
            case Mnemonic.Sub: return EmitAlu(e, i, OpCode.Sub8RR, IntegerFamily.UpSub);
            case Mnemonic.Xor: return EmitAlu(e, i, OpCode.Xor8RR, IntegerFamily.UpXor);
            case Mnemonic.Cmp: return EmitAlu(e, i, OpCode.Cmp8RR, -1);
            case Mnemonic.Test: return EmitAlu(e, i, OpCode.Test8RR, -1);
            case Mnemonic.Inc: return EmitUnary(e, i, OpCode.Inc8, IntegerFamily.UpInc);
            case Mnemonic.Dec: return EmitUnary(e, i, OpCode.Dec8, IntegerFamily.UpDec);
            case Mnemonic.Neg: return EmitUnary(e, i, OpCode.Neg8, IntegerFamily.UpNeg);
            case Mnemonic.Not: return EmitUnary(e, i, OpCode.Not8, IntegerFamily.UpNot);
            case Mnemonic.Shl: case Mnemonic.Sal: return EmitShift(e, i, &IntegerFamily.Shl, OpCode.Shl32I);
            case Mnemonic.Shr: return EmitShift(e, i, &IntegerFamily.Shr, OpCode.Shr32I);
            case Mnemonic.Sar: return EmitShift(e, i, &IntegerFamily.Sar, OpCode.Sar32I);
            case Mnemonic.Rol: return EmitShift(e, i, &IntegerFamily.Rol, OpCode.Rol32I);
            case Mnemonic.Ror: return EmitShift(e, i, &IntegerFamily.Ror, OpCode.Ror32I);
            case Mnemonic.Rcl: return EmitShift(e, i, &IntegerFamily.Rcl, null);
            case Mnemonic.Rcr: return EmitShift(e, i, &IntegerFamily.Rcr, null);
            case Mnemonic.Shld: return EmitDoubleShift(e, i, &IntegerFamily.Shld);
            case Mnemonic.Shrd: return EmitDoubleShift(e, i, &IntegerFamily.Shrd);
            case Mnemonic.Mul: return EmitMul(e, i);
            case Mnemonic.Imul: return EmitImul(e, i);
            case Mnemonic.Div: return EmitOneSource(e, i, &IntegerFamily.Div);
            case Mnemonic.Idiv: return EmitOneSource(e, i, &IntegerFamily.Idiv);
            case Mnemonic.Bt: return EmitBit(e, i, IntegerFamily.Bt, 0);
            case Mnemonic.Bts: return EmitBit(e, i, IntegerFamily.Bts, IntegerFamily.UpBts);
            case Mnemonic.Btr: return EmitBit(e, i, IntegerFamily.Btr, IntegerFamily.UpBtr);
            case Mnemonic.Btc: return EmitBit(e, i, IntegerFamily.Btc, IntegerFamily.UpBtc);
            // Without BMI1 and ABM, TZCNT and LZCNT are BSF and BSR with an ignored prefix.
            case Mnemonic.Bsf: case Mnemonic.Tzcnt: return EmitTwo(e, i, &IntegerFamily.Bsf);
            case Mnemonic.Bsr: case Mnemonic.Lzcnt: return EmitTwo(e, i, &IntegerFamily.Bsr);
            case Mnemonic.Popcnt: return cpu.Features.Popcnt && EmitTwo(e, i, &IntegerFamily.Popcnt);
            case Mnemonic.Crc32:
                if (!cpu.Features.Sse42) return false;
                e.Handler(&IntegerFamily.Crc32, Emitter.Gpr(i.Op0Register), e.Source(i, 1), size: Emitter.OperandSize(i, 1));
                return true;
            case Mnemonic.Movbe: return cpu.Features.Movbe && EmitMovbe(e, i);
            case Mnemonic.Bswap: return EmitBswap(e, i);
            case Mnemonic.Xchg: return EmitXchg(e, i);
            case Mnemonic.Xadd: return EmitExchange(e, i, &IntegerFamily.XaddRegister, IntegerFamily.UpXadd);
            case Mnemonic.Cmpxchg: return EmitExchange(e, i, &IntegerFamily.CmpxchgRegister, IntegerFamily.UpCmpxchg);
            case Mnemonic.Cmpxchg8b:
                e.MemoryHandler(&IntegerFamily.CmpxchgWide, i, 8, true, size: 8);
                return true;
            case Mnemonic.Cmpxchg16b:
                if (!cpu.Features.Cx16) return false;
                e.MemoryHandler(&IntegerFamily.CmpxchgWide, i, 16, true, size: 16);
                return true;
            case Mnemonic.Cbw: e.Handler(&IntegerFamily.Cbw); return true;
            case Mnemonic.Cwde: e.Add(OpCode.Cwde); return true;
            case Mnemonic.Cdqe: e.Add(OpCode.Cdqe); return true;
            case Mnemonic.Cwd: e.Handler(&IntegerFamily.Cwd); return true;
            case Mnemonic.Cdq: e.Add(OpCode.Cdq); return true;
            case Mnemonic.Cqo: e.Add(OpCode.Cqo); return true;
            case Mnemonic.Lahf:
                if (e.Is64 && !cpu.Features.LahfLong) return false;
                e.Handler(&IntegerFamily.Lahf);
                return true;
            case Mnemonic.Sahf:
                if (e.Is64 && !cpu.Features.LahfLong) return false;
                e.Handler(&IntegerFamily.Sahf);
                return true;
            case Mnemonic.Clc: e.Handler(&IntegerFamily.Clc); return true;
            case Mnemonic.Stc: e.Handler(&IntegerFamily.Stc); return true;
            case Mnemonic.Cmc: e.Handler(&IntegerFamily.Cmc); return true;
            case Mnemonic.Cld: e.Handler(&IntegerFamily.Cld); return true;
            case Mnemonic.Std: e.Handler(&IntegerFamily.Std); return true;
            case Mnemonic.Daa: e.Handler(&IntegerFamily.Daa); return true;
            case Mnemonic.Das: e.Handler(&IntegerFamily.Das); return true;
            case Mnemonic.Aaa: e.Handler(&IntegerFamily.Aaa); return true;
            case Mnemonic.Aas: e.Handler(&IntegerFamily.Aas); return true;
            case Mnemonic.Aam: e.Handler(&IntegerFamily.Aam, imm: i.Immediate8); return true;
            case Mnemonic.Aad: e.Handler(&IntegerFamily.Aad, imm: i.Immediate8); return true;
            case Mnemonic.Salc: e.Handler(&IntegerFamily.Salc); return true;
            case Mnemonic.Bound:
                e.MemoryHandler(&IntegerFamily.Bound, i, Emitter.OperandSize(i, 0) * 2, false, a: Emitter.Gpr(i.Op0Register), size: Emitter.OperandSize(i, 0));
                return true;
            case Mnemonic.Xlatb: return EmitXlat(e, i);
            case Mnemonic.Nop:
            case Mnemonic.Pause:
            case Mnemonic.Endbr64:
            case Mnemonic.Endbr32:
            case Mnemonic.Fnop:
            case Mnemonic.Lfence:
            case Mnemonic.Sfence:
            case Mnemonic.Reservednop:
            case Mnemonic.Prefetchnta:
            case Mnemonic.Prefetcht0:
            case Mnemonic.Prefetcht1:
            case Mnemonic.Prefetcht2:
            case Mnemonic.Prefetchw:
            case Mnemonic.Prefetch:
            case Mnemonic.Prefetchwt1:
                return EmitNothing(e, i);
            case Mnemonic.Mfence: e.Handler(&SystemFamily.Mfence); return true;
        }

        if (i.Mnemonic is >= Mnemonic.Seta and <= Mnemonic.Sets && i.ConditionCode != ConditionCode.None) return EmitSetcc(e, i);
        if (i.Mnemonic is >= Mnemonic.Cmova and <= Mnemonic.Cmovs && i.ConditionCode != ConditionCode.None) return EmitCmov(e, i);
        return false;
    }

    private static bool EmitNothing(Emitter e, in Instruction i)
    {
        if (i.Mnemonic == Mnemonic.Fnop) return false;
        // An instruction must be able to begin a block by itself, so it has a step where it is the first one.
        if (e.Count == 0) e.Add(OpCode.MovRR64, Reg.T0, Reg.Zero);
        return true;
    }

    private static OpCode Sized(OpCode byteForm, int size) => byteForm + (ushort)int.Log2(size);

    private static bool IsImmediate(OpKind kind) => kind is >= OpKind.Immediate8 and <= OpKind.Immediate32to64;

    private static bool EmitMov(Emitter e, in Instruction i)
    {
        if (i.Op0Kind == OpKind.Register && !i.Op0Register.IsGPR()) return false;
        if (i.Op1Kind == OpKind.Register && !i.Op1Register.IsGPR())
        {
            // MOV r/m, Sreg; control and debug registers are the system family's.
            if (!i.Op1Register.IsSegmentRegister()) return false;
            e.Handler(&SegmentFamily.ReadSelector, Reg.T0, Emitter.SegmentIndex(i.Op1Register));
            if (Emitter.IsMemory(i, 0)) e.Memory(OpCode.St16, i, 2, true, b: Reg.T0);
            else e.StoreRegister(i.Op0Register, Reg.T0);
            return true;
        }

        int size = Emitter.OperandSize(i, 0);
        if (IsImmediate(i.Op1Kind))
        {
            long value = (long)i.GetImmediate(1);
            if (Emitter.IsMemory(i, 0))
            {
                e.Memory(Sized(OpCode.StI8, size), i, size, true, imm: value);
            }
            else if (Emitter.IsHigh(i.Op0Register))
            {
                e.Add(OpCode.MovRI, Reg.T0, imm: value);
                e.Add(OpCode.SetHigh, Emitter.Gpr(i.Op0Register), Reg.T0);
            }
            else
            {
                OpCode code = size switch { 1 => OpCode.MovRI8, 2 => OpCode.MovRI16, _ => OpCode.MovRI };
                e.Add(code, Emitter.Gpr(i.Op0Register), imm: size == 4 ? (uint)value : value);
            }

            return true;
        }

        if (Emitter.IsMemory(i, 1) && size >= 4)
        {
            e.LoadInto(i, size, Emitter.Gpr(i.Op0Register));
            return true;
        }

        e.Store(i, 0, e.Source(i, 1));
        return true;
    }

    private static bool EmitExtend(Emitter e, in Instruction i, bool signed)
    {
        int from = Emitter.OperandSize(i, 1), to = Emitter.OperandSize(i, 0);
        byte target = Emitter.Gpr(i.Op0Register);
        if (to == 2 || from == to)
        {
            byte narrow = e.Source(i, 1);
            if (from == 1)
            {
                e.Add(signed ? OpCode.MovSx8To32 : OpCode.MovZx8, Reg.T0, narrow);
                narrow = Reg.T0;
            }

            e.StoreRegister(i.Op0Register, narrow);
            return true;
        }

        if (Emitter.IsMemory(i, 1))
        {
            OpCode load = (from, signed, to) switch
            {
                (1, false, _) => OpCode.Ld8,
                (2, false, _) => OpCode.Ld16,
                (1, true, 4) => OpCode.LdSx8To32,
                (1, true, _) => OpCode.LdSx8To64,
                (2, true, 4) => OpCode.LdSx16To32,
                (2, true, _) => OpCode.LdSx16To64,
                _ => OpCode.LdSx32To64,
            };
            e.Memory(load, i, from, false, a: target);
            return true;
        }

        OpCode move = (from, signed, to) switch
        {
            (1, false, _) => OpCode.MovZx8,
            (2, false, _) => OpCode.MovZx16,
            (1, true, 4) => OpCode.MovSx8To32,
            (1, true, _) => OpCode.MovSx8To64,
            (2, true, 4) => OpCode.MovSx16To32,
            (2, true, _) => OpCode.MovSx16To64,
            _ => OpCode.MovSx32To64,
        };
        e.Add(move, target, e.Source(i, 1));
        return true;
    }

    private static bool EmitLea(Emitter e, in Instruction i)
    {
        int size = Emitter.OperandSize(i, 0), addressBytes = e.AddressSize(i);
        Address address = Emitter.Plain(i);
        byte target = Emitter.Gpr(i.Op0Register);
        bool direct = size >= 4 && addressBytes >= size;
        byte into = direct ? target : Reg.T0;
        bool narrow = addressBytes == 4 || (direct && size == 4);
        address.ApplyTo(e.Add(narrow ? OpCode.Lea32 : OpCode.Lea64, into));
        if (direct) return true;
        if (addressBytes == 2) e.Add(OpCode.MovZx16, Reg.T0, Reg.T0);
        e.StoreRegister(i.Op0Register, Reg.T0);
        return true;
    }

    /// <summary>The two-operand group. <paramref name="update"/> is the read-modify-write kind, -1 for CMP and TEST.</summary>
    private static bool EmitAlu(Emitter e, in Instruction i, OpCode byteForm, int update)
    {
        int size = Emitter.OperandSize(i, 0);
        bool immediate = IsImmediate(i.Op1Kind);
        OpCode code = Sized(byteForm, size) + (immediate ? (ushort)4 : (ushort)0);
        long value = immediate ? (long)i.GetImmediate(1) : 0;
        bool writes = update >= 0;
        if (Emitter.IsMemory(i, 0))
        {
            byte source = immediate ? Reg.Zero : e.Source(i, 1, Reg.T1);
            if (i.HasLockPrefix)
            {
                e.MemoryHandler(&IntegerFamily.Update, i, size, true, b: source, imm: value, size: size, c: update);
                return true;
            }

            if (writes) e.Memory(Sized(OpCode.LdRmw8, size), i, size, true, a: Reg.T0);
            else e.LoadInto(i, size, Reg.T0);
            e.Add(code, Reg.T0, source, value);
            if (writes) e.Add(Sized(OpCode.StRmw8, size), b: Reg.T0);
            return true;
        }

        bool high = Emitter.IsHigh(i.Op0Register);
        byte operand = immediate ? Reg.Zero : e.Source(i, 1, Reg.T1);
        byte target = Emitter.Gpr(i.Op0Register);
        if (!high)
        {
            e.Add(code, target, operand, value);
            return true;
        }

        e.Add(OpCode.GetHigh, Reg.T0, target);
        e.Add(code, Reg.T0, operand, value);
        if (writes) e.Add(OpCode.SetHigh, target, Reg.T0);
        return true;
    }

    private static bool EmitUnary(Emitter e, in Instruction i, OpCode byteForm, int update)
    {
        int size = Emitter.OperandSize(i, 0);
        OpCode code = Sized(byteForm, size);
        if (Emitter.IsMemory(i, 0))
        {
            if (i.HasLockPrefix)
            {
                e.MemoryHandler(&IntegerFamily.Update, i, size, true, b: Reg.Zero, size: size, c: update);
                return true;
            }

            e.Memory(Sized(OpCode.LdRmw8, size), i, size, true, a: Reg.T0);
            e.Add(code, Reg.T0);
            e.Add(Sized(OpCode.StRmw8, size), b: Reg.T0);
            return true;
        }

        byte target = Emitter.Gpr(i.Op0Register);
        if (!Emitter.IsHigh(i.Op0Register))
        {
            e.Add(code, target);
            return true;
        }

        e.Add(OpCode.GetHigh, Reg.T0, target);
        e.Add(code, Reg.T0);
        e.Add(OpCode.SetHigh, target, Reg.T0);
        return true;
    }

    /// <summary>Runs a handler on a destination that may be a register, a high byte or memory.</summary>
    private static void EmitModify(Emitter e, in Instruction i, delegate*<Cpu, Op*, bool> handler, int b = 0, long imm = 0, int c = 0)
    {
        int size = Emitter.OperandSize(i, 0);
        if (Emitter.IsMemory(i, 0))
        {
            e.Memory(Sized(OpCode.LdRmw8, size), i, size, true, a: Reg.T0);
            e.Handler(handler, Reg.T0, b, imm, size, c);
            e.Add(Sized(OpCode.StRmw8, size), b: Reg.T0);
            return;
        }

        byte target = Emitter.Gpr(i.Op0Register);
        if (!Emitter.IsHigh(i.Op0Register))
        {
            e.Handler(handler, target, b, imm, size, c);
            return;
        }

        e.Add(OpCode.GetHigh, Reg.T0, target);
        e.Handler(handler, Reg.T0, b, imm, size, c);
        e.Add(OpCode.SetHigh, target, Reg.T0);
    }

    private static bool EmitShift(Emitter e, in Instruction i, delegate*<Cpu, Op*, bool> handler, OpCode? fast)
    {
        int size = Emitter.OperandSize(i, 0);
        bool immediate = i.Op1Kind != OpKind.Register;
        byte count = immediate ? i.GetImmediate(1) is var n ? (byte)n : (byte)0 : IntegerFamily.CountInCl;
        // 0xff means CL; as an immediate it is a count of 31 or 63 like any other number with those low bits.
        if (immediate && count == IntegerFamily.CountInCl) count = 63;
        int masked = count & (size == 8 ? 63 : 31);
        if (immediate && fast is { } code && size >= 4 && masked != 0 && !Emitter.IsMemory(i, 0))
        {
            e.Add(size == 8 ? code + 1 : code, Emitter.Gpr(i.Op0Register))->C = (byte)masked;
            return true;
        }

        EmitModify(e, i, handler, c: count);
        return true;
    }

    private static bool EmitDoubleShift(Emitter e, in Instruction i, delegate*<Cpu, Op*, bool> handler)
    {
        byte count = i.Op2Kind == OpKind.Register ? IntegerFamily.CountInCl : i.Immediate8;
        if (i.Op2Kind != OpKind.Register && count == IntegerFamily.CountInCl) count = 63;
        EmitModify(e, i, handler, b: Emitter.Gpr(i.Op1Register), c: count);
        return true;
    }

    private static bool EmitMul(Emitter e, in Instruction i)
    {
        int size = Emitter.OperandSize(i, 0);
        byte source = e.Source(i, 0);
        if (size == 8) e.Add(OpCode.Mul64, b: source);
        else if (size == 4) e.Add(OpCode.Mul32, b: source);
        else e.Handler(&IntegerFamily.Mul, b: source, size: size);
        return true;
    }

    private static bool EmitImul(Emitter e, in Instruction i)
    {
        if (i.OpCount == 1) return EmitOneSource(e, i, &IntegerFamily.Imul1);
        int size = Emitter.OperandSize(i, 0);
        byte target = Emitter.Gpr(i.Op0Register), source = e.Source(i, 1);
        bool three = i.OpCount == 3;
        long value = three ? (long)i.GetImmediate(2) : 0;
        if (size == 2) e.Handler(&IntegerFamily.Imul16, target, source, value, size, three ? 1 : 0);
        else if (three) e.Add(size == 8 ? OpCode.ImulRI64 : OpCode.ImulRI32, target, source, value);
        else e.Add(size == 8 ? OpCode.ImulRR64 : OpCode.ImulRR32, target, source);
        return true;
    }

    private static bool EmitOneSource(Emitter e, in Instruction i, delegate*<Cpu, Op*, bool> handler)
    {
        e.Handler(handler, b: e.Source(i, 0), size: Emitter.OperandSize(i, 0));
        return true;
    }

    private static bool EmitTwo(Emitter e, in Instruction i, delegate*<Cpu, Op*, bool> handler)
    {
        e.Handler(handler, Emitter.Gpr(i.Op0Register), e.Source(i, 1), size: Emitter.OperandSize(i, 0));
        return true;
    }

    private static bool EmitBit(Emitter e, in Instruction i, byte kind, byte update)
    {
        int size = Emitter.OperandSize(i, 0);
        bool immediate = IsImmediate(i.Op1Kind);
        byte bitRegister = immediate ? Reg.Zero : Emitter.Gpr(i.Op1Register);
        long bit = immediate ? i.Immediate8 & (uint)((size * 8) - 1) : -1;
        if (!Emitter.IsMemory(i, 0))
        {
            byte target = Emitter.Gpr(i.Op0Register);
            if (kind == IntegerFamily.Bt && size >= 4)
            {
                OpCode code = immediate ? (size == 8 ? OpCode.BtRI64 : OpCode.BtRI32) : size == 8 ? OpCode.BtRR64 : OpCode.BtRR32;
                e.Add(code, target, bitRegister, bit);
            }
            else
            {
                e.Handler(&IntegerFamily.BitRegister, target, bitRegister, bit, size, kind);
            }

            return true;
        }

        bool write = kind != IntegerFamily.Bt;
        if (!immediate)
        {
            // The bit number reaches beyond the operand: the address moves by whole operands first.
            e.BitAddress(i, bitRegister, size, write);
        }
        else
        {
            e.AddressIntoTa(i, size, write);
        }

        if (i.HasLockPrefix)
        {
            Op* locked = e.Handler(&IntegerFamily.Update, b: bitRegister, imm: bit, size: size, c: update);
            locked->Base = Reg.Ta;
            return true;
        }

        e.Add(Sized(write ? OpCode.LdRmw8 : OpCode.Ld8, size), Reg.T0)->Base = Reg.Ta;
        e.Handler(&IntegerFamily.BitRegister, Reg.T0, bitRegister, bit, size, kind);
        if (write) e.Add(Sized(OpCode.StRmw8, size), b: Reg.T0);
        return true;
    }

    private static bool EmitMovbe(Emitter e, in Instruction i)
    {
        int size = Emitter.OperandSize(i, 0);
        if (Emitter.IsMemory(i, 1))
        {
            e.LoadInto(i, size, Reg.T0);
            e.Handler(&IntegerFamily.Swap, Emitter.Gpr(i.Op0Register), Reg.T0, size: size);
            return true;
        }

        e.Handler(&IntegerFamily.Swap, Reg.T0, Emitter.Gpr(i.Op1Register), size: size);
        e.Store(i, 0, Reg.T0);
        return true;
    }

    private static bool EmitBswap(Emitter e, in Instruction i)
    {
        byte target = Emitter.Gpr(i.Op0Register);
        switch (Emitter.OperandSize(i, 0))
        {
            case 8: e.Add(OpCode.Bswap64, target); break;
            case 4: e.Add(OpCode.Bswap32, target); break;
            default: e.Handler(&IntegerFamily.Bswap16, target); break;
        }

        return true;
    }

    private static bool EmitXchg(Emitter e, in Instruction i)
    {
        int size = Emitter.OperandSize(i, 0);
        if (Emitter.IsMemory(i, 0) || Emitter.IsMemory(i, 1))
        {
            // With memory it is always locked.
            Register register = Emitter.IsMemory(i, 0) ? i.Op1Register : i.Op0Register;
            byte source = Emitter.Gpr(register);
            if (Emitter.IsHigh(register))
            {
                e.Add(OpCode.GetHigh, Reg.T0, source);
                source = Reg.T0;
            }

            e.MemoryHandler(&IntegerFamily.Update, i, size, true, b: source, size: size, c: IntegerFamily.UpXchg);
            if (source == Reg.T0) e.Add(OpCode.SetHigh, Emitter.Gpr(register), Reg.T0);
            return true;
        }

        if (size >= 4)
        {
            e.Add(size == 8 ? OpCode.XchgRR64 : OpCode.XchgRR32, Emitter.Gpr(i.Op0Register), Emitter.Gpr(i.Op1Register));
            return true;
        }

        byte first = e.Source(i, 0), second = e.Source(i, 1, Reg.T1);
        e.Add(OpCode.MovRR64, Reg.Ta, first);
        e.StoreRegister(i.Op0Register, second);
        e.StoreRegister(i.Op1Register, Reg.Ta);
        return true;
    }

    /// <summary>XADD and CMPXCHG.</summary>
    private static bool EmitExchange(Emitter e, in Instruction i, delegate*<Cpu, Op*, bool> onRegisters, byte update)
    {
        int size = Emitter.OperandSize(i, 0);
        byte source = e.Source(i, 1, Reg.T1);
        if (Emitter.IsMemory(i, 0))
        {
            e.MemoryHandler(&IntegerFamily.Update, i, size, true, b: source, size: size, c: update);
            if (source == Reg.T1 && update == IntegerFamily.UpXadd) e.Add(OpCode.SetHigh, Emitter.Gpr(i.Op1Register), Reg.T1);
            return true;
        }

        byte target = e.Source(i, 0, Reg.T0);
        e.Handler(onRegisters, target, source, size: size);
        if (source == Reg.T1 && update == IntegerFamily.UpXadd) e.Add(OpCode.SetHigh, Emitter.Gpr(i.Op1Register), Reg.T1);
        if (target == Reg.T0) e.Add(OpCode.SetHigh, Emitter.Gpr(i.Op0Register), Reg.T0);
        return true;
    }

    private static bool EmitXlat(Emitter e, in Instruction i)
    {
        e.XlatAddress(i);
        e.Handler(&IntegerFamily.Xlat);
        return true;
    }

    private static bool EmitSetcc(Emitter e, in Instruction i)
    {
        byte condition = Condition(i.ConditionCode);
        if (i.Op0Kind == OpKind.Register && !Emitter.IsHigh(i.Op0Register))
        {
            e.Add(OpCode.Setcc, Emitter.Gpr(i.Op0Register))->C = condition;
            return true;
        }

        e.Add(OpCode.Setcc, Reg.T0)->C = condition;
        e.Store(i, 0, Reg.T0);
        return true;
    }

    private static bool EmitCmov(Emitter e, in Instruction i)
    {
        int size = Emitter.OperandSize(i, 0);
        byte target = Emitter.Gpr(i.Op0Register), source = e.Source(i, 1);
        Op* op = size switch
        {
            8 => e.Add(OpCode.Cmov64, target, source),
            4 => e.Add(OpCode.Cmov32, target, source),
            _ => e.Handler(&IntegerFamily.Cmov16, target, source),
        };
        op->C = Condition(i.ConditionCode);
        return true;
    }

    /// <summary>Iced's condition as the four encoding bits.</summary>
    public static byte Condition(ConditionCode code) => code switch
    {
        ConditionCode.o => 0,
        ConditionCode.no => 1,
        ConditionCode.b => 2,
        ConditionCode.ae => 3,
        ConditionCode.e => 4,
        ConditionCode.ne => 5,
        ConditionCode.be => 6,
        ConditionCode.a => 7,
        ConditionCode.s => 8,
        ConditionCode.ns => 9,
        ConditionCode.p => 10,
        ConditionCode.np => 11,
        ConditionCode.l => 12,
        ConditionCode.ge => 13,
        ConditionCode.le => 14,
        _ => 15,
    };

    // ---- control flow ------------------------------------------------------------------------------------------------------------------

    private static bool EmitFlow(Emitter e, in Instruction i)
    {
        if (i.IsJccShortOrNear)
        {
            EmitJcc(e, i);
            return true;
        }

        if (!e.Is64) return FlowFamily.TryEmitLegacy(e, i);
        switch (i.Code)
        {
            case Code.Jmp_rel8_64 or Code.Jmp_rel32_64:
                e.End(OpCode.Jmp, imm: (long)i.NearBranch64);
                return true;
            case Code.Call_rel32_64:
                e.End(OpCode.Call64, imm: (long)i.NearBranch64);
                return true;
            case Code.Jmp_rm64:
                e.End(OpCode.JmpR64, b: e.Source(i, 0));
                return true;
            case Code.Call_rm64:
                e.End(OpCode.CallR64, b: e.Source(i, 0));
                return true;
            case Code.Retnq:
                e.End(OpCode.Ret64);
                return true;
            case Code.Retnq_imm16:
                e.End(OpCode.Ret64, imm: i.Immediate16);
                return true;
            case Code.Push_r64:
                e.Add(OpCode.Push64, b: Emitter.Gpr(i.Op0Register));
                return true;
            case Code.Push_rm64:
                e.Add(OpCode.Push64, b: e.Source(i, 0));
                return true;
            case Code.Pushq_imm8 or Code.Pushq_imm32:
                e.Add(OpCode.PushI64, imm: (long)i.GetImmediate(0));
                return true;
            case Code.Pop_r64:
                e.Add(OpCode.Pop64, Emitter.Gpr(i.Op0Register));
                return true;
            default:
                return FlowFamily.TryEmit(e, i);
        }
    }

    private static void EmitJcc(Emitter e, in Instruction i)
    {
        byte condition = Condition(i.ConditionCode);
        if (!e.Is64)
        {
            FlowFamily.EmitLegacyJcc(e, i, condition);
            return;
        }

        long target = (long)i.NearBranch64;
        if (TryFuse(e, condition, target)) return;
        e.End(OpCode.Jo + condition, imm: target);
    }

    /// <summary>Joins the branch with a compare or test right before it. The joined step belongs to the branch; nothing in it can fault.</summary>
    private static bool TryFuse(Emitter e, byte condition, long target)
    {
        if (e.Count == 0) return false;
        Op last = *e.LastOp;
        OpCode? fused = last.Code switch
        {
            OpCode.Cmp32RR => OpCode.CmpJcc32RR,
            OpCode.Cmp64RR => OpCode.CmpJcc64RR,
            OpCode.Cmp32RI => OpCode.CmpJcc32RI,
            OpCode.Cmp64RI => OpCode.CmpJcc64RI,
            OpCode.Cmp8RI => OpCode.CmpJcc8RI,
            OpCode.Test32RR => OpCode.TestJcc32RR,
            OpCode.Test64RR => OpCode.TestJcc64RR,
            OpCode.Test8RR => OpCode.TestJcc8RR,
            OpCode.Test8RI => OpCode.TestJcc8RI,
            OpCode.Test32RI => OpCode.TestJcc32RI,
            _ => null,
        };
        if (fused is not { } code) return false;
        e.RemoveLast();
        Op* op = e.End(code, last.A, last.B, target);
        op->C = condition;
        op->Disp = (int)last.Imm;
        if ((last.Flags & OpFlags.First) != 0) op->Flags |= OpFlags.First;
        return true;
    }
}
