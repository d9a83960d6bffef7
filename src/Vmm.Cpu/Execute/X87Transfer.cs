using System.Buffers.Binary;
using Vmm.Cpu.Decode;
using Vmm.Cpu.Float;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>x87 loads, stores and moves (Intel SDM vol. 1 §8.3.2 to §8.3.4). Step fields as in <see cref="X87Arithmetic"/>.</summary>
internal static unsafe class X87Transfer
{
    private const int ExtendedBytes = 10, DecimalDigits = 18;
    private const ulong DecimalLimit = 1_000_000_000_000_000_000;
    private const ushort DecimalIndefiniteHigh = 0xffff, DecimalSign = 0x8000;

    // ---- memory -------------------------------------------------------------------------------------------------------------------

    private static bool OnStack(Op* op) => (op->Flags & OpFlags.Stack) != 0;

    /// <summary>Linear address of the memory operand; the data pointer is noted.</summary>
    private static ulong Operand(Cpu cpu, Op* op)
    {
        ulong linear = cpu.LinearAddress(op);
        X87Control.NoteData(cpu, op, linear);
        return linear;
    }

    public static bool TryReadReal(Cpu cpu, Op* op, out Unpacked value)
    {
        bool ok = cpu.Mem.TryRead(Operand(cpu, op), op->Size, out ulong bits, OnStack(op));
        value = op->Size == 4 ? Unpacked.From32((uint)bits) : Unpacked.From64(bits);
        return ok;
    }

    public static bool TryReadInteger(Cpu cpu, Op* op, out long value)
    {
        bool ok = cpu.Mem.TryRead(Operand(cpu, op), op->Size, out ulong bits, OnStack(op));
        value = IntegerFamily.Sign(bits, op->Size);
        return ok;
    }

    // ---- loads ----------------------------------------------------------------------------------------------------------------------

    public static bool LoadReal(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (!TryReadReal(cpu, op, out Unpacked value)) return false;
        if (X87Stack.HasRoom(s))
        {
            FloatContext c = X87Stack.Context(s);
            if (value.IsNan) value = FloatMath.PropagateNan(value, ref c);
            else FloatMath.Accept(value, ref c);
            // A denormal arrives even when it is reported.
            if (X87Stack.Commit(s, c) || !value.IsNan) X87Stack.Push(s, value.To80());
        }

        return X87Control.End(cpu, op);
    }

    public static bool LoadExtended(Cpu cpu, Op* op)
    {
        Span<byte> bytes = stackalloc byte[ExtendedBytes];
        if (!cpu.Mem.TryReadBytes(Operand(cpu, op), bytes, OnStack(op))) return false;
        return Push(cpu, op, new Extended(BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..])));
    }

    public static bool LoadInteger(Cpu cpu, Op* op)
        => TryReadInteger(cpu, op, out long value) && Push(cpu, op, Unpacked.FromInt64(value).To80());

    /// <summary>FBLD: eighteen packed decimal digits and a sign.</summary>
    public static bool LoadDecimal(Cpu cpu, Op* op)
    {
        Span<byte> bytes = stackalloc byte[ExtendedBytes];
        if (!cpu.Mem.TryReadBytes(Operand(cpu, op), bytes, OnStack(op))) return false;
        ulong magnitude = 0;
        for (int i = (DecimalDigits / 2) - 1; i >= 0; i--) magnitude = (magnitude * 100) + ((ulong)(bytes[i] >> 4) * 10) + (ulong)(bytes[i] & 0xf);
        bool sign = (BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]) & DecimalSign) != 0;
        return Push(cpu, op, Unpacked.FromUInt64(sign, magnitude).To80());
    }

    public static bool LoadRegister(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (X87Stack.IsEmpty(s, op->B))
        {
            if (X87Stack.Underflow(s)) X87Stack.Push(s, Extended.Indefinite);
            return X87Control.End(cpu, op);
        }

        return Push(cpu, op, X87Stack.Get(s, op->B));
    }

    private static bool Push(Cpu cpu, Op* op, Extended value)
    {
        CpuState* s = cpu.S;
        if (X87Stack.HasRoom(s))
        {
            X87Stack.ClearC1(s);
            X87Stack.Push(s, value);
        }

        return X87Control.End(cpu, op);
    }

    /// <summary>FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ: rounded as the control word says, without a flag.</summary>
    public static bool LoadConstant(Cpu cpu, Op* op)
    {
        FloatContext c = X87Stack.Context(cpu.S);
        Unpacked value = op->C switch
        {
            0 => Unpacked.FromInt64(1),
            1 => FloatMath.Round(false, 1, 0xd49a784bcd1b8afe, 0x492bf6ff4dafdb4c, FloatFormat.Extended, ref c),
            2 => FloatMath.Round(false, 0, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88, FloatFormat.Extended, ref c),
            3 => FloatMath.Round(false, 1, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1, FloatFormat.Extended, ref c),
            4 => FloatMath.Round(false, -2, 0x9a209a84fbcff798, 0x8f8959ac0b7c9178, FloatFormat.Extended, ref c),
            5 => FloatMath.Round(false, -1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af, FloatFormat.Extended, ref c),
            _ => Unpacked.ZeroOf(false),
        };
        return Push(cpu, op, value.To80());
    }

    // ---- stores; nothing changes when the memory cannot be written -----------------------------------------------------------------

    private static bool Finish(Cpu cpu, Op* op, bool written, ushort statusBefore)
    {
        if (!written)
        {
            cpu.S->Fsw = statusBefore;
            return false;
        }

        X87Stack.Pop(cpu.S, op->A);
        return X87Control.End(cpu, op);
    }

    // An unmasked exception keeps the value back, but memory that could not have been written faults first.
    private static bool Refuse(Cpu cpu, Op* op, ulong linear, int bytes, ushort statusBefore)
    {
        if (cpu.Mem.TryProbeWrite(linear, bytes, OnStack(op))) return X87Control.End(cpu, op);
        cpu.S->Fsw = statusBefore;
        return false;
    }

    public static bool StoreReal(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ushort before = s->Fsw;
        ulong linear = Operand(cpu, op);
        Unpacked value = Unpacked.DefaultNan;
        bool store;
        if (X87Stack.IsEmpty(s, 0))
        {
            store = X87Stack.Underflow(s);
        }
        else
        {
            FloatContext c = X87Stack.Context(s);
            value = FloatMath.Convert(X87Stack.Load(s, 0), op->Size == 4 ? FloatFormat.Binary32 : FloatFormat.Binary64, ref c, reportDenormal: false);
            store = !c.FaultsBefore;
            if ((c.Flags & ~c.Masks & (FloatFlags.OE | FloatFlags.UE)) != 0)
            {
                // Unlike a register, memory takes no wrapped result, so nothing was rounded either.
                store = false;
                c.Flags &= ~FloatFlags.PE;
                c.RoundedUp = false;
            }

            X87Stack.Commit(s, c);
        }

        if (!store) return Refuse(cpu, op, linear, op->Size, before);
        return Finish(cpu, op, cpu.Mem.TryWrite(linear, op->Size, op->Size == 4 ? value.To32() : value.To64(), OnStack(op)), before);
    }

    public static bool StoreExtended(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ushort before = s->Fsw;
        ulong linear = Operand(cpu, op);
        Extended value = Extended.Indefinite;
        if (!X87Stack.IsEmpty(s, 0))
        {
            X87Stack.ClearC1(s);
            value = X87Stack.Get(s, 0);
        }
        else if (!X87Stack.Underflow(s))
        {
            return Refuse(cpu, op, linear, ExtendedBytes, before);
        }

        return Finish(cpu, op, Write(cpu, op, linear, value.Significand, value.SignExponent), before);
    }

    private static bool Write(Cpu cpu, Op* op, ulong linear, ulong low, ushort high)
    {
        Span<byte> bytes = stackalloc byte[ExtendedBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, low);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[8..], high);
        return cpu.Mem.TryWriteBytes(linear, bytes, OnStack(op));
    }

    /// <summary>FIST, FISTP and, with C set, FISTTP.</summary>
    public static bool StoreInteger(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ushort before = s->Fsw;
        ulong linear = Operand(cpu, op);
        int bits = op->Size * 8;
        long value = long.MinValue >> (64 - bits);
        bool store;
        if (X87Stack.IsEmpty(s, 0))
        {
            store = X87Stack.Underflow(s);
        }
        else
        {
            FloatContext c = X87Stack.Context(s);
            value = FloatMath.ToInteger(X87Stack.Load(s, 0), bits, op->C != 0 ? FloatRounding.Zero : c.Rounding, ref c);
            store = X87Stack.Commit(s, c);
        }

        if (!store) return Refuse(cpu, op, linear, op->Size, before);
        return Finish(cpu, op, cpu.Mem.TryWrite(linear, op->Size, (ulong)value, OnStack(op)), before);
    }

    /// <summary>FBSTP.</summary>
    public static bool StoreDecimal(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ushort before = s->Fsw;
        ulong linear = Operand(cpu, op);
        ulong low = 0xc000_0000_0000_0000;
        ushort high = DecimalIndefiniteHigh;
        bool store;
        if (X87Stack.IsEmpty(s, 0))
        {
            store = X87Stack.Underflow(s);
        }
        else
        {
            FloatContext c = X87Stack.Context(s);
            Unpacked value = X87Stack.Load(s, 0);
            long integer = FloatMath.ToInteger(value, 64, c.Rounding, ref c);
            ulong magnitude = integer < 0 ? 0UL - (ulong)integer : (ulong)integer;
            if ((c.Flags & FloatFlags.IE) == 0 && magnitude < DecimalLimit)
            {
                low = 0;
                for (int i = 0; i < 64; i += 4)
                {
                    low |= magnitude % 10 << i;
                    magnitude /= 10;
                }

                high = (ushort)(magnitude % 10 | (magnitude / 10 << 4) | (value.Sign ? DecimalSign : 0UL));
            }
            else
            {
                c.Flags = FloatFlags.IE;
                c.RoundedUp = false;
            }

            store = X87Stack.Commit(s, c);
        }

        if (!store) return Refuse(cpu, op, linear, ExtendedBytes, before);
        return Finish(cpu, op, Write(cpu, op, linear, low, high), before);
    }

    // ---- between registers ----------------------------------------------------------------------------------------------------------

    public static bool StoreRegister(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        Extended value = Extended.Indefinite;
        if (!X87Stack.IsEmpty(s, 0))
        {
            X87Stack.ClearC1(s);
            value = X87Stack.Get(s, 0);
        }
        else if (!X87Stack.Underflow(s))
        {
            return X87Control.End(cpu, op);
        }

        X87Stack.Put(s, op->B, value);
        X87Stack.Pop(s, op->A);
        return X87Control.End(cpu, op);
    }

    public static bool Exchange(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        bool empty0 = X87Stack.IsEmpty(s, 0), emptyOther = X87Stack.IsEmpty(s, op->B);
        Extended first = X87Stack.Get(s, 0), other = X87Stack.Get(s, op->B);
        if (empty0 || emptyOther)
        {
            if (!X87Stack.Underflow(s)) return X87Control.End(cpu, op);
            if (empty0) first = Extended.Indefinite;
            if (emptyOther) other = Extended.Indefinite;
        }
        else
        {
            X87Stack.ClearC1(s);
        }

        X87Stack.Put(s, 0, other);
        X87Stack.Put(s, op->B, first);
        return X87Control.End(cpu, op);
    }

    /// <summary>FCMOVcc; C is the condition.</summary>
    public static bool MoveIf(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        if (X87Stack.IsEmpty(s, 0) || X87Stack.IsEmpty(s, op->B))
        {
            if (X87Stack.Underflow(s)) X87Stack.Put(s, 0, Extended.Indefinite);
            return X87Control.End(cpu, op);
        }

        if (Flags.Condition(s, op->C)) X87Stack.Put(s, 0, X87Stack.Get(s, op->B));
        return X87Control.End(cpu, op);
    }

    /// <summary>FFREE and FFREEP.</summary>
    public static bool FreeRegister(Cpu cpu, Op* op)
    {
        X87Stack.ClearC1(cpu.S);
        X87Stack.Free(cpu.S, op->B);
        X87Stack.Pop(cpu.S, op->A);
        return X87Control.End(cpu, op);
    }
}
