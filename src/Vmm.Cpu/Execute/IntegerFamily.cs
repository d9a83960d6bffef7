using System.Numerics;
using Vmm.Cpu.Decode;
using Vmm.Cpu.Mmu;
using Vmm.Cpu.State;
using Vector = Vmm.Cpu.State.Vector;

namespace Vmm.Cpu.Execute;

/// <summary>
/// Integer instructions that are not in the interpreter's switch. A is the destination register and first operand, B the source,
/// Size the operand size in bytes.
/// </summary>
internal static unsafe class IntegerFamily
{
    private static readonly object SplitLock = new();

    /// <summary>Low <paramref name="size"/> bytes of a value.</summary>
    public static ulong Trim(ulong value, int size) => size == 8 ? value : value & ((1UL << (size * 8)) - 1);

    /// <summary>Sign-extends from <paramref name="size"/> bytes.</summary>
    public static long Sign(ulong value, int size)
    {
        int shift = 64 - (size * 8);
        return (long)(value << shift) >> shift;
    }

    /// <summary>Writes a register as instructions do: 8 and 16 bits keep the rest, 32 bits clear it.</summary>
    public static void Put(CpuState* s, int register, int size, ulong value)
    {
        ref ulong r = ref s->R[register];
        r = size switch
        {
            1 => (r & ~0xffUL) | (byte)value,
            2 => (r & ~0xffffUL) | (ushort)value,
            4 => (uint)value,
            _ => value,
        };
    }

    // ---- shifts and rotates; the count is C, or CL when C is 0xff ----------------------------------------------------------------

    public const byte CountInCl = 0xff;

    private static int Count(CpuState* s, Op* op)
    {
        int count = op->C == CountInCl ? (int)(s->R[Reg.Rcx] & 0xff) : op->C;
        return count & (op->Size == 8 ? 63 : 31);
    }

    public static bool Shl(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int n = Count(s, op), size = op->Size, bits = size * 8;
        ulong a = Trim(s->R[op->A], size);
        if (n == 0)
        {
            Put(s, op->A, size, a);
            return true;
        }

        ulong r = Trim(n < 64 ? a << n : 0, size);
        bool carry = n <= bits && (a >> (bits - n) & 1) != 0;
        Put(s, op->A, size, r);
        Flags.SetResult(s, size, r, carry, carry != (r >> (bits - 1) != 0));
        return true;
    }

    public static bool Shr(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int n = Count(s, op), size = op->Size, bits = size * 8;
        ulong a = Trim(s->R[op->A], size);
        if (n == 0)
        {
            Put(s, op->A, size, a);
            return true;
        }

        ulong r = a >> n;
        Put(s, op->A, size, r);
        Flags.SetResult(s, size, r, (a >> (n - 1) & 1) != 0, a >> (bits - 1) != 0);
        return true;
    }

    public static bool Sar(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int n = Count(s, op), size = op->Size;
        long a = Sign(s->R[op->A], size);
        if (n == 0)
        {
            Put(s, op->A, size, (ulong)a);
            return true;
        }

        ulong r = Trim((ulong)(a >> n), size);
        Put(s, op->A, size, r);
        Flags.SetResult(s, size, r, (a >> (n - 1) & 1) != 0, false);
        return true;
    }

    public static bool Rol(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size, bits = size * 8, masked = Count(s, op), n = masked % bits;
        ulong a = Trim(s->R[op->A], size);
        ulong r = n == 0 ? a : Trim((a << n) | (a >> (bits - n)), size);
        Put(s, op->A, size, r);
        if (masked == 0) return true;
        bool carry = (r & 1) != 0;
        Flags.SetCarryOverflow(s, carry, carry != (r >> (bits - 1) != 0));
        return true;
    }

    public static bool Ror(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size, bits = size * 8, masked = Count(s, op), n = masked % bits;
        ulong a = Trim(s->R[op->A], size);
        ulong r = n == 0 ? a : Trim((a >> n) | (a << (bits - n)), size);
        Put(s, op->A, size, r);
        if (masked == 0) return true;
        bool top = r >> (bits - 1) != 0;
        Flags.SetCarryOverflow(s, top, top != ((r >> (bits - 2) & 1) != 0));
        return true;
    }

    public static bool Rcl(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size, bits = size * 8, count = Count(s, op), n = count % (bits + 1);
        ulong a = Trim(s->R[op->A], size);
        bool carry = Flags.CF(s);
        for (int i = 0; i < n; i++)
        {
            bool top = a >> (bits - 1) != 0;
            a = Trim((a << 1) | (carry ? 1UL : 0), size);
            carry = top;
        }

        Put(s, op->A, size, a);
        if (count != 0) Flags.SetCarryOverflow(s, carry, carry != (a >> (bits - 1) != 0));
        return true;
    }

    public static bool Rcr(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size, bits = size * 8, count = Count(s, op), n = count % (bits + 1);
        ulong a = Trim(s->R[op->A], size);
        bool carry = Flags.CF(s);
        for (int i = 0; i < n; i++)
        {
            bool low = (a & 1) != 0;
            a = (a >> 1) | ((carry ? 1UL : 0) << (bits - 1));
            carry = low;
        }

        Put(s, op->A, size, a);
        if (count != 0) Flags.SetCarryOverflow(s, carry, (a >> (bits - 1) != 0) != ((a >> (bits - 2) & 1) != 0));
        return true;
    }

    public static bool Shld(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size, bits = size * 8, n = Count(s, op);
        ulong a = Trim(s->R[op->A], size), b = Trim(s->R[op->B], size);
        if (n == 0)
        {
            Put(s, op->A, size, a);
            return true;
        }

        // 16-bit counts above 16 are undefined; processors shift the pair round.
        UInt128 pair = size == 2 ? ((UInt128)a << 32) | (b << 16) | a : ((UInt128)a << bits) | b;
        int width = size == 2 ? 48 : 2 * bits;
        ulong r = Trim((ulong)(pair << n >> (width - bits)), size);
        bool carry = (pair >> (width - n) & 1) != 0;
        Put(s, op->A, size, r);
        Flags.SetResult(s, size, r, carry, (r >> (bits - 1) != 0) != (a >> (bits - 1) != 0));
        return true;
    }

    public static bool Shrd(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size, bits = size * 8, n = Count(s, op);
        ulong a = Trim(s->R[op->A], size), b = Trim(s->R[op->B], size);
        if (n == 0)
        {
            Put(s, op->A, size, a);
            return true;
        }

        UInt128 pair = size == 2 ? ((UInt128)a << 32) | (b << 16) | a : ((UInt128)b << bits) | a;
        ulong r = Trim((ulong)(pair >> n), size);
        bool carry = (pair >> (n - 1) & 1) != 0;
        Put(s, op->A, size, r);
        Flags.SetResult(s, size, r, carry, (r >> (bits - 1) != 0) != (a >> (bits - 1) != 0));
        return true;
    }

    // ---- multiply and divide ---------------------------------------------------------------------------------------------------------

    /// <summary>MUL: B by the accumulator.</summary>
    public static bool Mul(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size;
        UInt128 p = (UInt128)Trim(s->R[Reg.Rax], size) * Trim(s->R[op->B], size);
        StoreProduct(s, size, p, p >> (size * 8) != 0);
        return true;
    }

    /// <summary>IMUL with one operand.</summary>
    public static bool Imul1(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size;
        Int128 p = (Int128)Sign(s->R[Reg.Rax], size) * Sign(s->R[op->B], size);
        StoreProduct(s, size, (UInt128)p, p != Sign((ulong)p, size));
        return true;
    }

    private static void StoreProduct(CpuState* s, int size, UInt128 p, bool lost)
    {
        if (size == 1)
        {
            Put(s, Reg.Rax, 2, (ulong)p);
        }
        else
        {
            Put(s, Reg.Rax, size, (ulong)p);
            Put(s, Reg.Rdx, size, (ulong)(p >> (size * 8)));
        }

        Flags.SetResult(s, size, Trim((ulong)p, size), lost, lost);
    }

    /// <summary>16-bit IMUL with two or three operands: A = B · T1, or B · Imm when C is 1.</summary>
    public static bool Imul16(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int p = (short)s->R[op->B] * (op->C == 1 ? (short)op->Imm : (short)s->R[op->A]);
        bool lost = p != (short)p;
        Put(s, op->A, 2, (ushort)p);
        Flags.SetResult(s, 2, (ushort)p, lost, lost);
        return true;
    }

    /// <summary>DIV by B.</summary>
    public static bool Div(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size;
        ulong divisor = Trim(s->R[op->B], size);
        if (divisor == 0) return cpu.Raise(Vector.DE);
        if (size == 8 && s->R[Reg.Rdx] == 0)
        {
            ulong dividend = s->R[Reg.Rax];
            s->R[Reg.Rax] = dividend / divisor;
            s->R[Reg.Rdx] = dividend % divisor;
            return true;
        }

        UInt128 wide = Dividend(s, size);
        UInt128 quotient = wide / divisor;
        if (quotient >> (size * 8) != 0) return cpu.Raise(Vector.DE);
        StoreQuotient(s, size, (ulong)quotient, (ulong)(wide % divisor));
        return true;
    }

    /// <summary>IDIV by B.</summary>
    public static bool Idiv(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size;
        long divisor = Sign(s->R[op->B], size);
        if (divisor == 0) return cpu.Raise(Vector.DE);
        int shift = 128 - (size * 16);
        Int128 wide = (Int128)(Dividend(s, size) << shift) >> shift;
        if (wide == Int128.MinValue && divisor == -1) return cpu.Raise(Vector.DE);
        Int128 quotient = wide / divisor;
        if (quotient != Sign((ulong)quotient, size)) return cpu.Raise(Vector.DE);
        StoreQuotient(s, size, (ulong)quotient, (ulong)(wide % divisor));
        return true;
    }

    private static UInt128 Dividend(CpuState* s, int size)
        => size == 1 ? (ushort)s->R[Reg.Rax] : ((UInt128)Trim(s->R[Reg.Rdx], size) << (size * 8)) | Trim(s->R[Reg.Rax], size);

    private static void StoreQuotient(CpuState* s, int size, ulong quotient, ulong remainder)
    {
        if (size == 1)
        {
            Put(s, Reg.Rax, 2, (byte)quotient | (ulong)(byte)remainder << 8);
            return;
        }

        Put(s, Reg.Rax, size, quotient);
        Put(s, Reg.Rdx, size, remainder);
    }

    // ---- bits ------------------------------------------------------------------------------------------------------------------------

    /// <summary>Which bit instruction: as the opcode's bits 4:3 encode it.</summary>
    public const byte Bt = 0, Bts = 1, Btr = 2, Btc = 3;

    /// <summary>BTS, BTR, BTC (and 16-bit BT) on register A; the bit number is Imm, or R[B] when Imm is negative.</summary>
    public static bool BitRegister(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int bit = (int)((op->Imm < 0 ? s->R[op->B] : (ulong)op->Imm) & (uint)((op->Size * 8) - 1));
        ulong a = s->R[op->A];
        bool was = (a >> bit & 1) != 0;
        if (op->C != Bt) Put(s, op->A, op->Size, ChangeBit(a, 1UL << bit, op->C));
        Flags.SetCarry(s, was);
        return true;
    }

    /// <summary>Address step for BT and its like with a register bit number: adds the signed bit offset's whole operands to the address in R[A].</summary>
    public static bool BitAddress(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        long bit = Sign(s->R[op->B], op->Size);
        s->R[op->A] += (ulong)((bit >> (op->Size == 8 ? 6 : op->Size == 4 ? 5 : 4)) * op->Size);
        return true;
    }

    private static ulong ChangeBit(ulong value, ulong mask, int kind) => kind switch
    {
        Bts => value | mask,
        Btr => value & ~mask,
        Btc => value ^ mask,
        _ => value,
    };

    public static bool Bsf(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong b = Trim(s->R[op->B], op->Size);
        if (b != 0) Put(s, op->A, op->Size, (ulong)BitOperations.TrailingZeroCount(b));
        Flags.SetResult(s, op->Size, b, false, false);
        return true;
    }

    public static bool Bsr(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong b = Trim(s->R[op->B], op->Size);
        if (b != 0) Put(s, op->A, op->Size, (ulong)BitOperations.Log2(b));
        Flags.SetResult(s, op->Size, b, false, false);
        return true;
    }

    public static bool Popcnt(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong b = Trim(s->R[op->B], op->Size);
        Put(s, op->A, op->Size, (ulong)BitOperations.PopCount(b));
        Flags.SetStatus(s, b == 0 ? Rflags.ZF : 0);
        return true;
    }

    /// <summary>CRC32 of the Size bytes of B into A; C is the destination size.</summary>
    public static bool Crc32(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        uint crc = (uint)s->R[op->A];
        ulong b = s->R[op->B];
        s->R[op->A] = op->Size switch
        {
            1 => BitOperations.Crc32C(crc, (byte)b),
            2 => BitOperations.Crc32C(crc, (ushort)b),
            4 => BitOperations.Crc32C(crc, (uint)b),
            _ => BitOperations.Crc32C(crc, b),
        };
        return true;
    }

    /// <summary>MOVBE and 16-bit BSWAP-like swaps: A = B with its bytes reversed.</summary>
    public static bool Swap(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong r = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(s->R[op->B]) >> (64 - (op->Size * 8));
        Put(s, op->A, op->Size, r);
        return true;
    }

    /// <summary>BSWAP of a 16-bit register is undefined; processors clear it.</summary>
    public static bool Bswap16(Cpu cpu, Op* op)
    {
        Put(cpu.S, op->A, 2, 0);
        return true;
    }

    public static bool Cmov16(Cpu cpu, Op* op)
    {
        if (Flags.Condition(cpu.S, op->C)) Put(cpu.S, op->A, 2, cpu.S->R[op->B]);
        return true;
    }

    public static bool Xchg(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong a = s->R[op->A], b = s->R[op->B];
        Put(s, op->A, op->Size, b);
        Put(s, op->B, op->Size, a);
        return true;
    }

    public static bool Cbw(Cpu cpu, Op* op)
    {
        Put(cpu.S, Reg.Rax, 2, (ushort)(sbyte)cpu.S->R[Reg.Rax]);
        return true;
    }

    public static bool Cwd(Cpu cpu, Op* op)
    {
        Put(cpu.S, Reg.Rdx, 2, (ushort)((short)cpu.S->R[Reg.Rax] >> 15));
        return true;
    }

    // ---- read-modify-write in memory -----------------------------------------------------------------------------------------------

    /// <summary>What <see cref="Update"/> does to memory.</summary>
    public const byte UpAdd = 0, UpOr = 1, UpAdc = 2, UpSbb = 3, UpAnd = 4, UpSub = 5, UpXor = 6, UpInc = 7, UpDec = 8, UpNeg = 9, UpNot = 10, UpBts = 11, UpBtr = 12, UpBtc = 13,
        UpXadd = 14, UpXchg = 15, UpCmpxchg = 16;

    /// <summary>
    /// Atomic read-modify-write at the step's address: kind C, second operand R[B] (or Imm when B is <see cref="Reg.Zero"/>), Size bytes.
    /// The flags are those of the exchange that won.
    /// </summary>
    public static bool Update(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong linear = cpu.LinearAddress(op);
        int size = op->Size;
        ulong operand = Trim(op->B == Reg.Zero ? (ulong)op->Imm : s->R[op->B], size);
        byte* pointer = cpu.Mem.OpenForUpdate(linear, size, out bool ok);
        if (!ok) return false;
        if (pointer == null || ((nuint)pointer & 63) + (uint)size > 64) return UpdateSplit(cpu, op, linear, operand, pointer);
        ulong old, result;
        do
        {
            old = MemoryUnit.Get(pointer, size);
            result = Compute(s, op, old, operand);
        }
        while (!Exchange(pointer, size, old, result));
        cpu.Mem.StoreDone(pointer, size);
        Commit(s, op, old, operand, result);
        return true;
    }

    // Across cache lines, pages, or to MMIO: one at a time under a lock, as a bus lock would be.
    private static bool UpdateSplit(Cpu cpu, Op* op, ulong linear, ulong operand, byte* pointer)
    {
        CpuState* s = cpu.S;
        lock (SplitLock)
        {
            if (!cpu.Mem.TryRead(linear, op->Size, out ulong old)) return false;
            ulong result = Compute(s, op, old, operand);
            if (!cpu.Mem.TryWrite(linear, op->Size, result)) return false;
            if (pointer != null) cpu.Mem.StoreDone(pointer, op->Size);
            Commit(s, op, old, operand, result);
        }

        return true;
    }

    private static bool Exchange(byte* pointer, int size, ulong old, ulong value) => size switch
    {
        1 => Interlocked.CompareExchange(ref *pointer, (byte)value, (byte)old) == (byte)old,
        2 => Interlocked.CompareExchange(ref *(ushort*)pointer, (ushort)value, (ushort)old) == (ushort)old,
        4 => Interlocked.CompareExchange(ref *(uint*)pointer, (uint)value, (uint)old) == (uint)old,
        _ => Interlocked.CompareExchange(ref *(ulong*)pointer, value, old) == old,
    };

    private static ulong Compute(CpuState* s, Op* op, ulong old, ulong operand)
    {
        ulong bit = 1UL << (int)(operand & (uint)((op->Size * 8) - 1));
        ulong r = op->C switch
        {
            UpAdd or UpXadd => old + operand,
            UpOr => old | operand,
            UpAdc => old + operand + Flags.Carry(s),
            UpSbb => old - operand - Flags.Carry(s),
            UpAnd => old & operand,
            UpSub => old - operand,
            UpXor => old ^ operand,
            UpInc => old + 1,
            UpDec => old - 1,
            UpNeg => 0 - old,
            UpNot => ~old,
            UpBts => old | bit,
            UpBtr => old & ~bit,
            UpBtc => old ^ bit,
            UpXchg => operand,
            _ => old == Trim(s->R[Reg.Rax], op->Size) ? operand : old,
        };
        return Trim(r, op->Size);
    }

    private static void Commit(CpuState* s, Op* op, ulong old, ulong operand, ulong result)
    {
        int size = op->Size;
        switch (op->C)
        {
            case UpAdd or UpAdc:
                Flags.Add(s, size, old, operand, result);
                break;
            case UpXadd:
                Put(s, op->B, size, old);
                Flags.Add(s, size, old, operand, result);
                break;
            case UpSub or UpSbb:
                Flags.Sub(s, size, old, operand, result);
                break;
            case UpOr or UpAnd or UpXor:
                Flags.Logic(s, size, result);
                break;
            case UpInc or UpDec:
                ulong aux = s->FlagsAux;
                if (op->C == UpInc) Flags.Add(s, size, old, 1, result);
                else Flags.Sub(s, size, old, 1, result);
                Flags.KeepCarry(s, aux);
                break;
            case UpNeg:
                Flags.Sub(s, size, 0, old, result);
                break;
            case UpBts or UpBtr or UpBtc:
                Flags.SetCarry(s, (old >> (int)(operand & (uint)((size * 8) - 1)) & 1) != 0);
                break;
            case UpXchg:
                Put(s, op->B, size, old);
                break;
            case UpCmpxchg:
                ulong accumulator = Trim(s->R[Reg.Rax], size);
                Flags.Sub(s, size, accumulator, old, Trim(accumulator - old, size));
                if (accumulator != old) Put(s, Reg.Rax, size, old);
                break;
        }
    }

    /// <summary>CMPXCHG on registers: A is the destination, B the source.</summary>
    public static bool CmpxchgRegister(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size;
        ulong old = Trim(s->R[op->A], size), accumulator = Trim(s->R[Reg.Rax], size);
        Flags.Sub(s, size, accumulator, old, Trim(accumulator - old, size));
        if (accumulator == old) Put(s, op->A, size, s->R[op->B]);
        else Put(s, Reg.Rax, size, old);
        return true;
    }

    /// <summary>XADD on registers.</summary>
    public static bool XaddRegister(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        int size = op->Size;
        ulong a = Trim(s->R[op->A], size), b = Trim(s->R[op->B], size), r = Trim(a + b, size);
        Put(s, op->B, size, a);
        Put(s, op->A, size, r);
        Flags.Add(s, size, a, b, r);
        return true;
    }

    /// <summary>CMPXCHG8B and CMPXCHG16B (Size 8 or 16).</summary>
    public static bool CmpxchgWide(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong linear = cpu.LinearAddress(op);
        bool wide = op->Size == 16;
        if (wide && (linear & 15) != 0) return cpu.RaiseGp();
        byte* pointer = cpu.Mem.OpenForUpdate(linear, op->Size, out bool ok);
        if (!ok) return false;
        UInt128 expected = wide
            ? new UInt128(s->R[Reg.Rdx], s->R[Reg.Rax])
            : ((ulong)(uint)s->R[Reg.Rdx] << 32) | (uint)s->R[Reg.Rax];
        UInt128 wanted = wide
            ? new UInt128(s->R[Reg.Rcx], s->R[Reg.Rbx])
            : ((ulong)(uint)s->R[Reg.Rcx] << 32) | (uint)s->R[Reg.Rbx];
        UInt128 old = 0;
        if (pointer != null && wide)
        {
            old = Wide.CompareExchange(pointer, expected, wanted);
            cpu.Mem.StoreDone(pointer, 16);
        }
        else if (pointer != null && ((nuint)pointer & 63) <= 56)
        {
            old = Interlocked.CompareExchange(ref *(ulong*)pointer, (ulong)wanted, (ulong)expected);
            cpu.Mem.StoreDone(pointer, 8);
        }
        else
        {
            lock (SplitLock)
            {
                Span<byte> bytes = stackalloc byte[16];
                bytes = bytes[..op->Size];
                if (!cpu.Mem.TryReadBytes(linear, bytes)) return false;
                old = wide
                    ? System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(bytes)
                    : System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(bytes);
                UInt128 stored = old == expected ? wanted : old;
                if (wide) System.Buffers.Binary.BinaryPrimitives.WriteUInt128LittleEndian(bytes, stored);
                else System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)stored);
                if (!cpu.Mem.TryWriteBytes(linear, bytes)) return false;
            }
        }

        uint flags = Flags.Get(s) & ~Rflags.ZF;
        if (old == expected)
        {
            flags |= Rflags.ZF;
        }
        else if (wide)
        {
            s->R[Reg.Rax] = (ulong)old;
            s->R[Reg.Rdx] = (ulong)(old >> 64);
        }
        else
        {
            s->R[Reg.Rax] = (uint)old;
            s->R[Reg.Rdx] = (uint)(old >> 32);
        }

        Flags.SetStatus(s, flags);
        return true;
    }

    // ---- decimal ---------------------------------------------------------------------------------------------------------------------

    public static bool Daa(Cpu cpu, Op* op) => Decimal(cpu, subtract: false);

    public static bool Das(Cpu cpu, Op* op) => Decimal(cpu, subtract: true);

    private static bool Decimal(Cpu cpu, bool subtract)
    {
        CpuState* s = cpu.S;
        byte old = (byte)s->R[Reg.Rax];
        int al = old;
        bool oldCarry = Flags.CF(s), carry = false, adjust = false;
        if ((old & 15) > 9 || Flags.AF(s))
        {
            int next = subtract ? al - 6 : al + 6;
            carry = oldCarry || next is < 0 or > 255;
            al = (byte)next;
            adjust = true;
        }

        if (old > 0x99 || oldCarry)
        {
            al = (byte)(subtract ? al - 0x60 : al + 0x60);
            carry = true;
        }

        Put(s, Reg.Rax, 1, (byte)al);
        Flags.SetResult(s, 1, (byte)al, carry, false);
        if (adjust) Flags.SetStatus(s, Flags.Get(s) | Rflags.AF);
        return true;
    }

    public static bool Aaa(Cpu cpu, Op* op) => Ascii(cpu, 0x106);

    public static bool Aas(Cpu cpu, Op* op) => Ascii(cpu, -0x106);

    private static bool Ascii(Cpu cpu, int adjustment)
    {
        CpuState* s = cpu.S;
        bool adjust = (s->R[Reg.Rax] & 15) > 9 || Flags.AF(s);
        ushort ax = (ushort)s->R[Reg.Rax];
        if (adjust) ax = (ushort)(ax + adjustment);
        ax &= 0xff0f;
        Put(s, Reg.Rax, 2, ax);
        uint flags = Flags.Get(s) & ~(Rflags.CF | Rflags.AF);
        if (adjust) flags |= Rflags.CF | Rflags.AF;
        Flags.SetStatus(s, flags);
        return true;
    }

    public static bool Aam(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        byte divisor = (byte)op->Imm, al = (byte)s->R[Reg.Rax];
        if (divisor == 0) return cpu.Raise(Vector.DE);
        Put(s, Reg.Rax, 2, (ulong)(al / divisor << 8 | al % divisor));
        Flags.SetResult(s, 1, (byte)s->R[Reg.Rax], false, false);
        return true;
    }

    public static bool Aad(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        byte al = (byte)(s->R[Reg.Rax] + ((s->R[Reg.Rax] >> 8 & 0xff) * (byte)op->Imm));
        Put(s, Reg.Rax, 2, al);
        Flags.SetResult(s, 1, al, false, false);
        return true;
    }

    public static bool Salc(Cpu cpu, Op* op)
    {
        Put(cpu.S, Reg.Rax, 1, Flags.CF(cpu.S) ? 0xffu : 0);
        return true;
    }

    // ---- flags -----------------------------------------------------------------------------------------------------------------------

    public static bool Lahf(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        s->R[Reg.Rax] = (s->R[Reg.Rax] & ~0xff00UL) | ((Flags.Get(s) & 0xffUL) << 8);
        return true;
    }

    public static bool Sahf(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        Flags.SetStatus(s, (uint)(s->R[Reg.Rax] >> 8 & 0xff) | (Flags.Get(s) & Rflags.OF));
        return true;
    }

    public static bool Clc(Cpu cpu, Op* op) => WithCarry(cpu, false);

    public static bool Stc(Cpu cpu, Op* op) => WithCarry(cpu, true);

    public static bool Cmc(Cpu cpu, Op* op) => WithCarry(cpu, !Flags.CF(cpu.S));

    private static bool WithCarry(Cpu cpu, bool carry)
    {
        Flags.SetCarry(cpu.S, carry);
        return true;
    }

    public static bool Cld(Cpu cpu, Op* op)
    {
        cpu.S->SystemFlags &= ~Rflags.DF;
        return true;
    }

    public static bool Std(Cpu cpu, Op* op)
    {
        cpu.S->SystemFlags |= Rflags.DF;
        return true;
    }

    /// <summary>BOUND: register A against the pair at the address.</summary>
    public static bool Bound(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong linear = cpu.LinearAddress(op);
        if (!cpu.Mem.TryRead(linear, op->Size, out ulong low) || !cpu.Mem.TryRead(linear + op->Size, op->Size, out ulong high)) return false;
        long index = Sign(s->R[op->A], op->Size);
        return (index >= Sign(low, op->Size) && index <= Sign(high, op->Size)) || cpu.Raise(Vector.BR);
    }

    /// <summary>XLAT: the address step has added AL already.</summary>
    public static bool Xlat(Cpu cpu, Op* op)
    {
        if (!cpu.Mem.TryRead(cpu.S->R[Reg.Ta], 1, out ulong value)) return false;
        Put(cpu.S, Reg.Rax, 1, value);
        return true;
    }
}
