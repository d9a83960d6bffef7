using Iced.Intel;
using Vmm.Cpu.Execute;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Decode;

/// <summary>
/// Writes the steps of a block. The decoder gives it one instruction after the other; families ask it for operands:
/// <see cref="Source"/> and <see cref="SourceXmm"/> bring any operand into a register slot, <see cref="Store"/> and <see cref="StoreXmm"/> put a slot
/// where the instruction wants it, <see cref="Handler"/> adds a step that calls a function.
/// </summary>
internal sealed unsafe class Emitter
{
    /// <summary>More than any one instruction needs.</summary>
    public const int MaxOpsPerInstruction = 16;

    private Op* _ops;
    private int _count;
    private byte _offset;
    private byte _length;
    private bool _first;
    private bool _stack;

    /// <summary>Mode the block is decoded for.</summary>
    public CpuMode Mode { get; private set; }

    /// <summary>Steps so far.</summary>
    public int Count => _count;

    /// <summary>True when the last instruction ended the block.</summary>
    public bool Ended { get; private set; }

    public bool Is64 => (Mode & CpuMode.CodeSizeMask) == CpuMode.Code64;

    public Op* LastOp => _ops + _count - 1;

    public void Begin(Op* ops, CpuMode mode)
    {
        _ops = ops;
        _count = 0;
        Mode = mode;
        Ended = false;
    }

    public void BeginInstruction(int offset, int length)
    {
        _offset = (byte)offset;
        _length = (byte)length;
        _first = true;
        _stack = false;
    }

    /// <summary>Takes the last step back (to fuse it with another).</summary>
    public void RemoveLast() => _count--;

    /// <summary>A new step.</summary>
    public Op* Add(OpCode code, int a = 0, int b = 0, long imm = 0)
    {
        Op* op = _ops + _count++;
        *op = default;
        op->Code = code;
        op->A = (byte)a;
        op->B = (byte)b;
        op->Imm = imm;
        op->Base = Reg.Zero;
        op->Index = Reg.Zero;
        op->Offset = _offset;
        op->Length = _length;
        if (_first) op->Flags = OpFlags.First;
        if (_stack) op->Flags |= OpFlags.Stack;
        _first = false;
        return op;
    }

    /// <summary>A step that calls a function; it returns false when it raised a fault (or otherwise wants to leave the block).</summary>
    public Op* Handler(delegate*<Cpu, Op*, bool> handler, int a = 0, int b = 0, long imm = 0, int size = 0, int c = 0)
    {
        Op* op = Add(OpCode.Call, a, b, imm);
        op->Handler = handler;
        op->Size = (byte)size;
        op->C = (byte)c;
        return op;
    }

    /// <summary>As <see cref="Handler"/>, and ends the block. The function sets <c>S-&gt;Rip</c>, which holds the next instruction's address when it is called.</summary>
    public Op* EndHandler(delegate*<Cpu, Op*, bool> handler, int a = 0, int b = 0, long imm = 0, int size = 0, int c = 0)
    {
        Op* op = Handler(handler, a, b, imm, size, c);
        op->Code = OpCode.CallEnd;
        Ended = true;
        return op;
    }

    /// <summary>Says that the last step, already made one that ends blocks, is the end.</summary>
    public void MarkEnded() => Ended = true;

    /// <summary>A step of the switch that ends the block.</summary>
    public Op* End(OpCode code, int a = 0, int b = 0, long imm = 0)
    {
        Op* op = Add(code, a, b, imm);
        Ended = true;
        return op;
    }

    /// <summary>
    /// A step that calls a function with the memory operand's address in its address fields
    /// (<see cref="Cpu.LinearAddress"/> gives the linear address; limits and rights of the segment have been checked for <paramref name="bytes"/>).
    /// </summary>
    public Op* MemoryHandler(delegate*<Cpu, Op*, bool> handler, in Instruction i, int bytes, bool write, int a = 0, int b = 0, long imm = 0, int size = 0, int c = 0)
    {
        Address address = Resolve(i, bytes, write);
        Op* op = Handler(handler, a, b, imm, size, c);
        address.ApplyTo(op);
        if (write) op->Flags |= OpFlags.Write;
        return op;
    }

    /// <summary>Index of a general register; the high byte registers give their full register (see <see cref="IsHigh"/>).</summary>
    public static byte Gpr(Register register)
    {
        if (register >= Register.AH && register <= Register.BH) return (byte)(register - Register.AH);
        return (byte)(register.GetFullRegister() - Register.RAX);
    }

    /// <summary>AH, CH, DH or BH.</summary>
    public static bool IsHigh(Register register) => register >= Register.AH && register <= Register.BH;

    /// <summary>XMM register number.</summary>
    public static byte Xmm(Register register) => (byte)(register - Register.XMM0);

    /// <summary>MM register number.</summary>
    public static byte Mm(Register register) => (byte)(register - Register.MM0);

    /// <summary>Size in bytes of a register or memory operand.</summary>
    public static int OperandSize(in Instruction i, int operand)
        => i.GetOpKind(operand) == OpKind.Register ? i.GetOpRegister(operand).GetSize() : i.MemorySize.GetSize();

    /// <summary>True when the operand is in memory.</summary>
    public static bool IsMemory(in Instruction i, int operand) => i.GetOpKind(operand) == OpKind.Memory;

    /// <summary>Brings a general register or memory operand (1, 2, 4 or 8 bytes, zero-extended when from memory) into a register; gives its index.</summary>
    public byte Source(in Instruction i, int operand, byte temp = Reg.T0)
    {
        if (!IsMemory(i, operand))
        {
            Register register = i.GetOpRegister(operand);
            if (!IsHigh(register)) return Gpr(register);
            Add(OpCode.GetHigh, temp, Gpr(register));
            return temp;
        }

        LoadInto(i, i.MemorySize.GetSize(), temp);
        return temp;
    }

    /// <summary>Loads the memory operand, zero-extended, into a register.</summary>
    public void LoadInto(in Instruction i, int bytes, byte target)
        => Memory(bytes switch { 1 => OpCode.Ld8, 2 => OpCode.Ld16, 4 => OpCode.Ld32, _ => OpCode.Ld64 }, i, bytes, false, a: target);

    /// <summary>A memory step of the switch with the instruction's address.</summary>
    public Op* Memory(OpCode code, in Instruction i, int bytes, bool write, int a = 0, int b = 0, long imm = 0)
    {
        Address address = Resolve(i, bytes, write);
        Op* op = Add(code, a, b, imm);
        address.ApplyTo(op);
        if (write) op->Flags |= OpFlags.Write;
        return op;
    }

    /// <summary>Puts the low bytes of a register into a register or memory operand.</summary>
    public void Store(in Instruction i, int operand, byte source)
    {
        int size = OperandSize(i, operand);
        if (IsMemory(i, operand))
        {
            Memory(size switch { 1 => OpCode.St8, 2 => OpCode.St16, 4 => OpCode.St32, _ => OpCode.St64 }, i, size, true, b: source);
            return;
        }

        StoreRegister(i.GetOpRegister(operand), source);
    }

    /// <summary>Puts the low bytes of a register into a named register; a 32-bit one clears the upper half.</summary>
    public void StoreRegister(Register target, byte source)
    {
        if (IsHigh(target))
        {
            Add(OpCode.SetHigh, Gpr(target), source);
            return;
        }

        Add(target.GetSize() switch { 1 => OpCode.MovRR8, 2 => OpCode.MovRR16, 4 => OpCode.MovRR32, _ => OpCode.MovRR64 }, Gpr(target), source);
    }

    /// <summary>
    /// Brings an XMM register or a memory operand of 4, 8 or 16 bytes (zero-extended) into an XMM slot; gives the slot.
    /// 16-byte operands of SSE instructions must be <paramref name="aligned"/> (#GP otherwise).
    /// </summary>
    public byte SourceXmm(in Instruction i, int operand, int bytes, bool aligned = true)
    {
        if (!IsMemory(i, operand)) return Xmm(i.GetOpRegister(operand));
        OpCode code = bytes switch { 4 => OpCode.LdX32, 8 => OpCode.LdX64, _ => aligned ? OpCode.LdX128Aligned : OpCode.LdX128 };
        Memory(code, i, bytes, false, a: CpuState.XmmTemp);
        return CpuState.XmmTemp;
    }

    /// <summary>Stores 4, 8 or 16 bytes of an XMM slot to the memory operand.</summary>
    public void StoreXmm(in Instruction i, byte source, int bytes, bool aligned)
    {
        OpCode code = bytes switch { 4 => OpCode.StX32, 8 => OpCode.StX64, _ => aligned ? OpCode.StX128Aligned : OpCode.StX128 };
        Memory(code, i, bytes, true, b: source);
    }

    /// <summary>
    /// The address of the memory operand as base, index, scale and displacement. What does not fit (a segment base beside an index,
    /// a 16 or 32-bit address, a segment with a limit) is computed by a step of its own into <see cref="Reg.Ta"/>.
    /// </summary>
    public Address Resolve(in Instruction i, int bytes, bool write)
    {
        byte segment = SegmentIndex(i.MemorySegment);
        Address address = Plain(i);
        bool stack = IsStack(i);
        // Steps that use the address in a roundabout way are stack accesses as well.
        _stack |= stack;
        int addressBytes = AddressSize(i);
        if (Is64)
        {
            bool withBase = segment is Seg.Fs or Seg.Gs;
            if (addressBytes == 8)
            {
                if (i.MemoryBase == Register.None && i.MemoryIndex == Register.None && (long)i.MemoryDisplacement64 != address.Disp)
                {
                    // Only the accumulator forms with a 64-bit offset (opcodes A0 to A3) come here.
                    Add(OpCode.MovRI, Reg.Ta, imm: (long)i.MemoryDisplacement64);
                    address = new Address(Reg.Ta, Reg.Zero, 0, 0, stack);
                }

                if (!withBase) return address with { Stack = stack };
                if (address.Index == Reg.Zero) return address with { Index = (byte)(Reg.SegmentBase + segment), Scale = 0 };
            }

            Op* step = Handler(&AddressFamily.Long, Reg.Ta, imm: addressBytes == 4 ? uint.MaxValue : -1, c: withBase ? Reg.SegmentBase + segment : Reg.Zero);
            address.ApplyTo(step);
            return new Address(Reg.Ta, Reg.Zero, 0, 0, stack);
        }

        Op* checkedStep = Handler(&AddressFamily.Segmented, Reg.Ta, imm: addressBytes == 2 ? 0xffff : uint.MaxValue, size: Math.Min(bytes, 255), c: segment);
        address.ApplyTo(checkedStep);
        if (write) checkedStep->Flags |= OpFlags.Write;
        return new Address(Reg.Ta, Reg.Zero, 0, 0, stack);
    }

    // In 64-bit code the prefixes of ES, CS, SS and DS are ignored: the base register decides.
    private bool IsStack(in Instruction i)
    {
        if (!Is64) return i.MemorySegment == Register.SS;
        return i.MemorySegment is not (Register.FS or Register.GS) && i.MemoryBase is (Register.RSP or Register.RBP or Register.ESP or Register.EBP);
    }

    /// <summary>Base, index, scale and displacement without segment and truncation (what LEA computes).</summary>
    public static Address Plain(in Instruction i)
    {
        if (i.IsIPRelativeMemoryOperand)
        {
            // The decoder counts addresses from the block's start, so the absolute target is the distance from it.
            long target = i.MemoryBase == Register.EIP ? (int)i.MemoryDisplacement32 : (long)i.MemoryDisplacement64;
            return new Address(Reg.BlockRip, Reg.Zero, 0, (int)target, false);
        }

        byte index = i.MemoryIndex == Register.None ? Reg.Zero : Gpr(i.MemoryIndex);
        byte @base = i.MemoryBase == Register.None ? Reg.Zero : Gpr(i.MemoryBase);
        byte scale = (byte)int.Log2(i.MemoryIndexScale);
        return new Address(@base, index, scale, (int)(long)i.MemoryDisplacement64, false);
    }

    /// <summary>Address size in bytes: from the registers, else from the mode and the displacement.</summary>
    public int AddressSize(in Instruction i)
    {
        Register register = i.MemoryBase != Register.None ? i.MemoryBase : i.MemoryIndex;
        if (register == Register.None)
        {
            if (Is64) return i.MemoryDisplSize == 4 ? 4 : 8;
            return i.MemoryDisplSize == 2 ? 2 : 4;
        }

        return register switch
        {
            Register.RIP => 8,
            Register.EIP => 4,
            _ => register.GetSize(),
        };
    }

    /// <summary>Puts the memory operand's linear address into <see cref="Reg.Ta"/>.</summary>
    public void AddressIntoTa(in Instruction i, int bytes, bool write)
    {
        Address address = Resolve(i, bytes, write);
        if (address is { Base: Reg.Ta, Index: Reg.Zero, Disp: 0 }) return;
        address.ApplyTo(Add(OpCode.Lea64, Reg.Ta));
    }

    /// <summary>
    /// The address for BT and its like with a bit number in a register: the offset within the segment moves by whole operands before
    /// the segment's base, the truncation and the checks apply.
    /// </summary>
    public void BitAddress(in Instruction i, byte bitRegister, int size, bool write)
    {
        Address plain = Plain(i);
        _stack |= IsStack(i);
        plain.ApplyTo(Add(OpCode.Lea64, Reg.Ta));
        Handler(&IntegerFamily.BitAddress, Reg.Ta, bitRegister, size: size);
        SegmentStep(SegmentIndex(i.MemorySegment), AddressSize(i), size, write);
    }

    /// <summary>The address for XLAT: base register plus AL.</summary>
    public void XlatAddress(in Instruction i)
    {
        Add(OpCode.MovZx8, Reg.T0, Reg.Rax);
        Op* sum = Add(OpCode.Lea64, Reg.Ta);
        sum->Base = Reg.Rbx;
        sum->Index = Reg.T0;
        SegmentStep(SegmentIndex(i.MemorySegment), AddressSize(i), 1, false);
    }

    /// <summary>Turns the offset in <see cref="Reg.Ta"/> into a linear address: truncation, checks, segment base.</summary>
    public void SegmentStep(byte segment, int addressBytes, int size, bool write)
    {
        _stack |= segment == Seg.Ss && !Is64;
        long mask = addressBytes switch { 2 => 0xffff, 4 => uint.MaxValue, _ => -1 };
        Op* step;
        if (Is64)
        {
            bool withBase = segment is Seg.Fs or Seg.Gs;
            if (mask == -1 && !withBase) return;
            step = Handler(&AddressFamily.Long, Reg.Ta, imm: mask, c: withBase ? Reg.SegmentBase + segment : Reg.Zero);
        }
        else
        {
            step = Handler(&AddressFamily.Segmented, Reg.Ta, imm: mask, size: size, c: segment);
            if (write) step->Flags |= OpFlags.Write;
        }

        step->Base = Reg.Ta;
    }

    /// <summary>Segment number of a segment register.</summary>
    public static byte SegmentIndex(Register segment) => (byte)(segment - Register.ES);
}
