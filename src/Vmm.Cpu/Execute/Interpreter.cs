using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vmm.Cpu.Decode;
using Vmm.Cpu.Mmu;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>
/// The inner loop: one switch over the steps of a block, blocks linked to each other within a page and through the jump cache beyond it.
/// It returns with S-&gt;Rip at an instruction boundary when something is pending, a fault was raised, or a handler asked to leave.
/// </summary>
internal static unsafe class Interpreter
{
    /// <summary>Runs from S-&gt;Rip, or from a block that was decoded for it.</summary>
    public static void Run(Cpu cpu, Block* first)
    {
        CpuState* s = cpu.S;
        ulong* R = s->R;
        BlockCache blocks = cpu.Blocks;
        Block* block = first;
        Block* from = null;
        Block** link = null;
        Op* op;
        bool taken;
        if (block != null) goto enter;

    lookup:
        if (Volatile.Read(ref s->Pending) != 0) return;
        block = blocks.FindJump((s->Mode & CpuMode.CodeSizeMask) == CpuMode.Code64 ? s->Rip : (s->Rip + R[Reg.SegmentBase + Seg.Cs]) & uint.MaxValue, s->Mode);
        if (block == null)
        {
            uint generation = blocks.Generation;
            block = cpu.FetchBlock();
            if (block == null) return;
            if (generation != blocks.Generation) link = null;
        }

        if (link != null)
        {
            // Only a block that lies behind the same mapping as the branch may be linked to it.
            if (((block->Physical ^ from->Physical) >> 12) == 0 && block->Mode == from->Mode && block->Physical != Block.NotKept) *link = block;
            link = null;
        }

        from = null;

    enter:
        R[Reg.BlockRip] = s->Rip;
        s->InstructionCount += block->InstructionCount;
        op = Block.Ops(block);
        while (true)
        {
            switch (op->Code)
            {
                case OpCode.Call:
                    if (!op->Handler(cpu, op)) goto leave;
                    op++;
                    if (s->CodeChanged != 0) goto changed;
                    continue;

                case OpCode.CallEnd:
                    s->Rip = cpu.NextRip(op);
                    if (!op->Handler(cpu, op)) goto leave;
                    s->CodeChanged = 0;
                    goto lookup;

                case OpCode.Continue:
                    taken = false;
                    if ((block->Mode & CpuMode.CodeSizeMask) == CpuMode.Code64) goto branch;
                    s->Rip = cpu.NextRip(op);
                    goto lookup;

                case OpCode.Dropped:
                    s->InstructionCount -= block->InstructionCount;
                    if (from != null)
                    {
                        if (from->Taken == block) from->Taken = null;
                        if (from->FallThrough == block) from->FallThrough = null;
                    }

                    goto lookup;

                case OpCode.MovRR64: R[op->A] = R[op->B]; op++; continue;
                case OpCode.MovRR32: R[op->A] = (uint)R[op->B]; op++; continue;
                case OpCode.MovRR16: R[op->A] = (R[op->A] & ~0xffffUL) | (ushort)R[op->B]; op++; continue;
                case OpCode.MovRR8: R[op->A] = (R[op->A] & ~0xffUL) | (byte)R[op->B]; op++; continue;
                case OpCode.MovRI: R[op->A] = (ulong)op->Imm; op++; continue;
                case OpCode.MovRI16: R[op->A] = (R[op->A] & ~0xffffUL) | (ushort)op->Imm; op++; continue;
                case OpCode.MovRI8: R[op->A] = (R[op->A] & ~0xffUL) | (byte)op->Imm; op++; continue;
                case OpCode.GetHigh: R[op->A] = (byte)(R[op->B] >> 8); op++; continue;
                case OpCode.SetHigh: R[op->A] = (R[op->A] & ~0xff00UL) | ((ulong)(byte)R[op->B] << 8); op++; continue;
                case OpCode.MovZx8: R[op->A] = (byte)R[op->B]; op++; continue;
                case OpCode.MovZx16: R[op->A] = (ushort)R[op->B]; op++; continue;
                case OpCode.MovSx8To32: R[op->A] = (uint)(sbyte)R[op->B]; op++; continue;
                case OpCode.MovSx8To64: R[op->A] = (ulong)(sbyte)R[op->B]; op++; continue;
                case OpCode.MovSx16To32: R[op->A] = (uint)(short)R[op->B]; op++; continue;
                case OpCode.MovSx16To64: R[op->A] = (ulong)(short)R[op->B]; op++; continue;
                case OpCode.MovSx32To64: R[op->A] = (ulong)(int)R[op->B]; op++; continue;
                case OpCode.Lea64: R[op->A] = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp; op++; continue;
                case OpCode.Lea32: R[op->A] = (uint)(R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp); op++; continue;

                case OpCode.Ld8:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 1);
                    if (p != null) R[op->A] = *(byte*)p;
                    else if (cpu.Mem.TryReadSlow(linear, 1, out ulong value, (op->Flags & OpFlags.Stack) != 0)) R[op->A] = (byte)value;
                    else goto fault;
                    op++;
                    continue;
                }
                case OpCode.Ld16:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 2);
                    if (p != null) R[op->A] = *(ushort*)p;
                    else if (cpu.Mem.TryReadSlow(linear, 2, out ulong value, (op->Flags & OpFlags.Stack) != 0)) R[op->A] = (ushort)value;
                    else goto fault;
                    op++;
                    continue;
                }
                case OpCode.Ld32:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 4);
                    if (p != null) R[op->A] = *(uint*)p;
                    else if (cpu.Mem.TryReadSlow(linear, 4, out ulong value, (op->Flags & OpFlags.Stack) != 0)) R[op->A] = (uint)value;
                    else goto fault;
                    op++;
                    continue;
                }
                case OpCode.Ld64:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 8);
                    if (p != null) R[op->A] = *(ulong*)p;
                    else if (cpu.Mem.TryReadSlow(linear, 8, out ulong value, (op->Flags & OpFlags.Stack) != 0)) R[op->A] = (ulong)value;
                    else goto fault;
                    op++;
                    continue;
                }
                case OpCode.LdSx8To32:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 1);
                    if (p != null) R[op->A] = (uint)(*(sbyte*)p);
                    else if (cpu.Mem.TryReadSlow(linear, 1, out ulong value, (op->Flags & OpFlags.Stack) != 0)) R[op->A] = (uint)((sbyte)value);
                    else goto fault;
                    op++;
                    continue;
                }
                case OpCode.LdSx8To64:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 1);
                    if (p != null) R[op->A] = (ulong)(*(sbyte*)p);
                    else if (cpu.Mem.TryReadSlow(linear, 1, out ulong value, (op->Flags & OpFlags.Stack) != 0)) R[op->A] = (ulong)((sbyte)value);
                    else goto fault;
                    op++;
                    continue;
                }
                case OpCode.LdSx16To32:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 2);
                    if (p != null) R[op->A] = (uint)(*(short*)p);
                    else if (cpu.Mem.TryReadSlow(linear, 2, out ulong value, (op->Flags & OpFlags.Stack) != 0)) R[op->A] = (uint)((short)value);
                    else goto fault;
                    op++;
                    continue;
                }
                case OpCode.LdSx16To64:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 2);
                    if (p != null) R[op->A] = (ulong)(*(short*)p);
                    else if (cpu.Mem.TryReadSlow(linear, 2, out ulong value, (op->Flags & OpFlags.Stack) != 0)) R[op->A] = (ulong)((short)value);
                    else goto fault;
                    op++;
                    continue;
                }
                case OpCode.LdSx32To64:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 4);
                    if (p != null) R[op->A] = (ulong)(*(int*)p);
                    else if (cpu.Mem.TryReadSlow(linear, 4, out ulong value, (op->Flags & OpFlags.Stack) != 0)) R[op->A] = (ulong)((int)value);
                    else goto fault;
                    op++;
                    continue;
                }
                case OpCode.St8:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 1);
                    if (p != null)
                    {
                        *(byte*)p = (byte)R[op->B];
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(linear, 1, (ulong)R[op->B], (op->Flags & OpFlags.Stack) != 0)) goto fault;
                    goto stored;
                }
                case OpCode.St16:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 2);
                    if (p != null)
                    {
                        *(ushort*)p = (ushort)R[op->B];
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(linear, 2, (ulong)R[op->B], (op->Flags & OpFlags.Stack) != 0)) goto fault;
                    goto stored;
                }
                case OpCode.St32:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 4);
                    if (p != null)
                    {
                        *(uint*)p = (uint)R[op->B];
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(linear, 4, (ulong)R[op->B], (op->Flags & OpFlags.Stack) != 0)) goto fault;
                    goto stored;
                }
                case OpCode.St64:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 8);
                    if (p != null)
                    {
                        *(ulong*)p = (ulong)R[op->B];
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(linear, 8, (ulong)R[op->B], (op->Flags & OpFlags.Stack) != 0)) goto fault;
                    goto stored;
                }
                case OpCode.StI8:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 1);
                    if (p != null)
                    {
                        *(byte*)p = (byte)op->Imm;
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(linear, 1, (ulong)op->Imm, (op->Flags & OpFlags.Stack) != 0)) goto fault;
                    goto stored;
                }
                case OpCode.StI16:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 2);
                    if (p != null)
                    {
                        *(ushort*)p = (ushort)op->Imm;
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(linear, 2, (ulong)op->Imm, (op->Flags & OpFlags.Stack) != 0)) goto fault;
                    goto stored;
                }
                case OpCode.StI32:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 4);
                    if (p != null)
                    {
                        *(uint*)p = (uint)op->Imm;
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(linear, 4, (ulong)op->Imm, (op->Flags & OpFlags.Stack) != 0)) goto fault;
                    goto stored;
                }
                case OpCode.StI64:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 8);
                    if (p != null)
                    {
                        *(ulong*)p = (ulong)op->Imm;
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(linear, 8, (ulong)op->Imm, (op->Flags & OpFlags.Stack) != 0)) goto fault;
                    goto stored;
                }
                case OpCode.LdRmw8:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 1);
                    s->RmwPointer = p;
                    if (p != null) R[op->A] = *(byte*)p;
                    else if (!LoadForUpdate(cpu, op, linear, 1)) goto fault;
                    op++;
                    continue;
                }
                case OpCode.LdRmw16:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 2);
                    s->RmwPointer = p;
                    if (p != null) R[op->A] = *(ushort*)p;
                    else if (!LoadForUpdate(cpu, op, linear, 2)) goto fault;
                    op++;
                    continue;
                }
                case OpCode.LdRmw32:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 4);
                    s->RmwPointer = p;
                    if (p != null) R[op->A] = *(uint*)p;
                    else if (!LoadForUpdate(cpu, op, linear, 4)) goto fault;
                    op++;
                    continue;
                }
                case OpCode.LdRmw64:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 8);
                    s->RmwPointer = p;
                    if (p != null) R[op->A] = *(ulong*)p;
                    else if (!LoadForUpdate(cpu, op, linear, 8)) goto fault;
                    op++;
                    continue;
                }
                case OpCode.StRmw8:
                {
                    byte* p = s->RmwPointer;
                    if (p != null)
                    {
                        *(byte*)p = (byte)R[op->B];
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(s->RmwLinear, 1, R[op->B], false)) goto fault;
                    goto stored;
                }
                case OpCode.StRmw16:
                {
                    byte* p = s->RmwPointer;
                    if (p != null)
                    {
                        *(ushort*)p = (ushort)R[op->B];
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(s->RmwLinear, 2, R[op->B], false)) goto fault;
                    goto stored;
                }
                case OpCode.StRmw32:
                {
                    byte* p = s->RmwPointer;
                    if (p != null)
                    {
                        *(uint*)p = (uint)R[op->B];
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(s->RmwLinear, 4, R[op->B], false)) goto fault;
                    goto stored;
                }
                case OpCode.StRmw64:
                {
                    byte* p = s->RmwPointer;
                    if (p != null)
                    {
                        *(ulong*)p = (ulong)R[op->B];
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(s->RmwLinear, 8, R[op->B], false)) goto fault;
                    goto stored;
                }
                case OpCode.LdX128:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 16);
                    if (p != null) CpuState.Xmm(s)[op->A] = Vector128.Load(p);
                    else if (!LoadXmm(cpu, op)) goto fault;
                    op++;
                    continue;
                }
                case OpCode.LdX128Aligned:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 16);
                    if (p != null && (linear & 15) == 0) CpuState.Xmm(s)[op->A] = Vector128.Load(p);
                    else if (!LoadXmm(cpu, op)) goto fault;
                    op++;
                    continue;
                }
                case OpCode.LdX64:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 8);
                    if (p != null) CpuState.Xmm(s)[op->A] = Vector128.CreateScalar(*(ulong*)p).AsByte();
                    else if (!LoadXmm(cpu, op)) goto fault;
                    op++;
                    continue;
                }
                case OpCode.LdX32:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Readable(s, linear, 4);
                    if (p != null) CpuState.Xmm(s)[op->A] = Vector128.CreateScalar(*(uint*)p).AsByte();
                    else if (!LoadXmm(cpu, op)) goto fault;
                    op++;
                    continue;
                }
                case OpCode.StX128:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 16);
                    if (p != null)
                    {
                        CpuState.Xmm(s)[op->B].Store(p);
                        op++;
                        continue;
                    }

                    if (!StoreXmm(cpu, op)) goto fault;
                    goto stored;
                }
                case OpCode.StX128Aligned:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 16);
                    if (p != null && (linear & 15) == 0)
                    {
                        CpuState.Xmm(s)[op->B].Store(p);
                        op++;
                        continue;
                    }

                    if (!StoreXmm(cpu, op)) goto fault;
                    goto stored;
                }
                case OpCode.StX64:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 8);
                    if (p != null)
                    {
                        *(ulong*)p = CpuState.Xmm(s)[op->B].AsUInt64().ToScalar();
                        op++;
                        continue;
                    }

                    if (!StoreXmm(cpu, op)) goto fault;
                    goto stored;
                }
                case OpCode.StX32:
                {
                    ulong linear = R[op->Base] + (R[op->Index] << op->Scale) + (ulong)(long)op->Disp;
                    byte* p = MemoryUnit.Writable(s, linear, 4);
                    if (p != null)
                    {
                        *(uint*)p = CpuState.Xmm(s)[op->B].AsUInt32().ToScalar();
                        op++;
                        continue;
                    }

                    if (!StoreXmm(cpu, op)) goto fault;
                    goto stored;
                }

                case OpCode.MovX: CpuState.Xmm(s)[op->A] = CpuState.Xmm(s)[op->B]; op++; continue;

                case OpCode.Add8RR: { byte a = (byte)R[op->A], b = (byte)R[op->B], r = (byte)(a + b); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Add(s, 1, a, b, r); op++; continue; }
                case OpCode.Add16RR: { ushort a = (ushort)R[op->A], b = (ushort)R[op->B], r = (ushort)(a + b); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Add(s, 2, a, b, r); op++; continue; }
                case OpCode.Add32RR: { uint a = (uint)R[op->A], b = (uint)R[op->B], r = (uint)(a + b); R[op->A] = r; Flags.Add32(s, a, b, r); op++; continue; }
                case OpCode.Add64RR: { ulong a = R[op->A], b = R[op->B], r = (a + b); R[op->A] = r; Flags.Add64(s, a, b, r); op++; continue; }
                case OpCode.Add8RI: { byte a = (byte)R[op->A], b = (byte)op->Imm, r = (byte)(a + b); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Add(s, 1, a, b, r); op++; continue; }
                case OpCode.Add16RI: { ushort a = (ushort)R[op->A], b = (ushort)op->Imm, r = (ushort)(a + b); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Add(s, 2, a, b, r); op++; continue; }
                case OpCode.Add32RI: { uint a = (uint)R[op->A], b = (uint)op->Imm, r = (uint)(a + b); R[op->A] = r; Flags.Add32(s, a, b, r); op++; continue; }
                case OpCode.Add64RI: { ulong a = R[op->A], b = (ulong)op->Imm, r = (a + b); R[op->A] = r; Flags.Add64(s, a, b, r); op++; continue; }
                case OpCode.Or8RR: { byte r = (byte)((byte)R[op->A] | (byte)R[op->B]); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Logic(s, 1, r); op++; continue; }
                case OpCode.Or16RR: { ushort r = (ushort)((ushort)R[op->A] | (ushort)R[op->B]); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Logic(s, 2, r); op++; continue; }
                case OpCode.Or32RR: { uint r = (uint)((uint)R[op->A] | (uint)R[op->B]); R[op->A] = r; Flags.Logic32(s, r); op++; continue; }
                case OpCode.Or64RR: { ulong r = (R[op->A] | R[op->B]); R[op->A] = r; Flags.Logic64(s, r); op++; continue; }
                case OpCode.Or8RI: { byte r = (byte)((byte)R[op->A] | (byte)op->Imm); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Logic(s, 1, r); op++; continue; }
                case OpCode.Or16RI: { ushort r = (ushort)((ushort)R[op->A] | (ushort)op->Imm); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Logic(s, 2, r); op++; continue; }
                case OpCode.Or32RI: { uint r = (uint)((uint)R[op->A] | (uint)op->Imm); R[op->A] = r; Flags.Logic32(s, r); op++; continue; }
                case OpCode.Or64RI: { ulong r = (R[op->A] | (ulong)op->Imm); R[op->A] = r; Flags.Logic64(s, r); op++; continue; }
                case OpCode.Adc8RR: { byte a = (byte)R[op->A], b = (byte)R[op->B], r = (byte)(a + b + (int)Flags.Carry(s)); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Add(s, 1, a, b, r); op++; continue; }
                case OpCode.Adc16RR: { ushort a = (ushort)R[op->A], b = (ushort)R[op->B], r = (ushort)(a + b + (int)Flags.Carry(s)); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Add(s, 2, a, b, r); op++; continue; }
                case OpCode.Adc32RR: { uint a = (uint)R[op->A], b = (uint)R[op->B], r = (uint)(a + b + (uint)Flags.Carry(s)); R[op->A] = r; Flags.Add32(s, a, b, r); op++; continue; }
                case OpCode.Adc64RR: { ulong a = R[op->A], b = R[op->B], r = (a + b + Flags.Carry(s)); R[op->A] = r; Flags.Add64(s, a, b, r); op++; continue; }
                case OpCode.Adc8RI: { byte a = (byte)R[op->A], b = (byte)op->Imm, r = (byte)(a + b + (int)Flags.Carry(s)); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Add(s, 1, a, b, r); op++; continue; }
                case OpCode.Adc16RI: { ushort a = (ushort)R[op->A], b = (ushort)op->Imm, r = (ushort)(a + b + (int)Flags.Carry(s)); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Add(s, 2, a, b, r); op++; continue; }
                case OpCode.Adc32RI: { uint a = (uint)R[op->A], b = (uint)op->Imm, r = (uint)(a + b + (uint)Flags.Carry(s)); R[op->A] = r; Flags.Add32(s, a, b, r); op++; continue; }
                case OpCode.Adc64RI: { ulong a = R[op->A], b = (ulong)op->Imm, r = (a + b + Flags.Carry(s)); R[op->A] = r; Flags.Add64(s, a, b, r); op++; continue; }
                case OpCode.Sbb8RR: { byte a = (byte)R[op->A], b = (byte)R[op->B], r = (byte)(a - b - (int)Flags.Carry(s)); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Sub(s, 1, a, b, r); op++; continue; }
                case OpCode.Sbb16RR: { ushort a = (ushort)R[op->A], b = (ushort)R[op->B], r = (ushort)(a - b - (int)Flags.Carry(s)); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Sub(s, 2, a, b, r); op++; continue; }
                case OpCode.Sbb32RR: { uint a = (uint)R[op->A], b = (uint)R[op->B], r = (uint)(a - b - (uint)Flags.Carry(s)); R[op->A] = r; Flags.Sub32(s, a, b, r); op++; continue; }
                case OpCode.Sbb64RR: { ulong a = R[op->A], b = R[op->B], r = (a - b - Flags.Carry(s)); R[op->A] = r; Flags.Sub64(s, a, b, r); op++; continue; }
                case OpCode.Sbb8RI: { byte a = (byte)R[op->A], b = (byte)op->Imm, r = (byte)(a - b - (int)Flags.Carry(s)); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Sub(s, 1, a, b, r); op++; continue; }
                case OpCode.Sbb16RI: { ushort a = (ushort)R[op->A], b = (ushort)op->Imm, r = (ushort)(a - b - (int)Flags.Carry(s)); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Sub(s, 2, a, b, r); op++; continue; }
                case OpCode.Sbb32RI: { uint a = (uint)R[op->A], b = (uint)op->Imm, r = (uint)(a - b - (uint)Flags.Carry(s)); R[op->A] = r; Flags.Sub32(s, a, b, r); op++; continue; }
                case OpCode.Sbb64RI: { ulong a = R[op->A], b = (ulong)op->Imm, r = (a - b - Flags.Carry(s)); R[op->A] = r; Flags.Sub64(s, a, b, r); op++; continue; }
                case OpCode.And8RR: { byte r = (byte)((byte)R[op->A] & (byte)R[op->B]); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Logic(s, 1, r); op++; continue; }
                case OpCode.And16RR: { ushort r = (ushort)((ushort)R[op->A] & (ushort)R[op->B]); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Logic(s, 2, r); op++; continue; }
                case OpCode.And32RR: { uint r = (uint)((uint)R[op->A] & (uint)R[op->B]); R[op->A] = r; Flags.Logic32(s, r); op++; continue; }
                case OpCode.And64RR: { ulong r = (R[op->A] & R[op->B]); R[op->A] = r; Flags.Logic64(s, r); op++; continue; }
                case OpCode.And8RI: { byte r = (byte)((byte)R[op->A] & (byte)op->Imm); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Logic(s, 1, r); op++; continue; }
                case OpCode.And16RI: { ushort r = (ushort)((ushort)R[op->A] & (ushort)op->Imm); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Logic(s, 2, r); op++; continue; }
                case OpCode.And32RI: { uint r = (uint)((uint)R[op->A] & (uint)op->Imm); R[op->A] = r; Flags.Logic32(s, r); op++; continue; }
                case OpCode.And64RI: { ulong r = (R[op->A] & (ulong)op->Imm); R[op->A] = r; Flags.Logic64(s, r); op++; continue; }
                case OpCode.Sub8RR: { byte a = (byte)R[op->A], b = (byte)R[op->B], r = (byte)(a - b); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Sub(s, 1, a, b, r); op++; continue; }
                case OpCode.Sub16RR: { ushort a = (ushort)R[op->A], b = (ushort)R[op->B], r = (ushort)(a - b); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Sub(s, 2, a, b, r); op++; continue; }
                case OpCode.Sub32RR: { uint a = (uint)R[op->A], b = (uint)R[op->B], r = (uint)(a - b); R[op->A] = r; Flags.Sub32(s, a, b, r); op++; continue; }
                case OpCode.Sub64RR: { ulong a = R[op->A], b = R[op->B], r = (a - b); R[op->A] = r; Flags.Sub64(s, a, b, r); op++; continue; }
                case OpCode.Sub8RI: { byte a = (byte)R[op->A], b = (byte)op->Imm, r = (byte)(a - b); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Sub(s, 1, a, b, r); op++; continue; }
                case OpCode.Sub16RI: { ushort a = (ushort)R[op->A], b = (ushort)op->Imm, r = (ushort)(a - b); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Sub(s, 2, a, b, r); op++; continue; }
                case OpCode.Sub32RI: { uint a = (uint)R[op->A], b = (uint)op->Imm, r = (uint)(a - b); R[op->A] = r; Flags.Sub32(s, a, b, r); op++; continue; }
                case OpCode.Sub64RI: { ulong a = R[op->A], b = (ulong)op->Imm, r = (a - b); R[op->A] = r; Flags.Sub64(s, a, b, r); op++; continue; }
                case OpCode.Xor8RR: { byte r = (byte)((byte)R[op->A] ^ (byte)R[op->B]); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Logic(s, 1, r); op++; continue; }
                case OpCode.Xor16RR: { ushort r = (ushort)((ushort)R[op->A] ^ (ushort)R[op->B]); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Logic(s, 2, r); op++; continue; }
                case OpCode.Xor32RR: { uint r = (uint)((uint)R[op->A] ^ (uint)R[op->B]); R[op->A] = r; Flags.Logic32(s, r); op++; continue; }
                case OpCode.Xor64RR: { ulong r = (R[op->A] ^ R[op->B]); R[op->A] = r; Flags.Logic64(s, r); op++; continue; }
                case OpCode.Xor8RI: { byte r = (byte)((byte)R[op->A] ^ (byte)op->Imm); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Logic(s, 1, r); op++; continue; }
                case OpCode.Xor16RI: { ushort r = (ushort)((ushort)R[op->A] ^ (ushort)op->Imm); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Logic(s, 2, r); op++; continue; }
                case OpCode.Xor32RI: { uint r = (uint)((uint)R[op->A] ^ (uint)op->Imm); R[op->A] = r; Flags.Logic32(s, r); op++; continue; }
                case OpCode.Xor64RI: { ulong r = (R[op->A] ^ (ulong)op->Imm); R[op->A] = r; Flags.Logic64(s, r); op++; continue; }
                case OpCode.Cmp8RR: { byte a = (byte)R[op->A], b = (byte)R[op->B]; Flags.Sub(s, 1, a, b, (byte)(a - b)); op++; continue; }
                case OpCode.Cmp16RR: { ushort a = (ushort)R[op->A], b = (ushort)R[op->B]; Flags.Sub(s, 2, a, b, (ushort)(a - b)); op++; continue; }
                case OpCode.Cmp32RR: { uint a = (uint)R[op->A], b = (uint)R[op->B]; Flags.Sub32(s, a, b, (uint)(a - b)); op++; continue; }
                case OpCode.Cmp64RR: { ulong a = R[op->A], b = R[op->B]; Flags.Sub64(s, a, b, (a - b)); op++; continue; }
                case OpCode.Cmp8RI: { byte a = (byte)R[op->A], b = (byte)op->Imm; Flags.Sub(s, 1, a, b, (byte)(a - b)); op++; continue; }
                case OpCode.Cmp16RI: { ushort a = (ushort)R[op->A], b = (ushort)op->Imm; Flags.Sub(s, 2, a, b, (ushort)(a - b)); op++; continue; }
                case OpCode.Cmp32RI: { uint a = (uint)R[op->A], b = (uint)op->Imm; Flags.Sub32(s, a, b, (uint)(a - b)); op++; continue; }
                case OpCode.Cmp64RI: { ulong a = R[op->A], b = (ulong)op->Imm; Flags.Sub64(s, a, b, (a - b)); op++; continue; }
                case OpCode.Test8RR: { Flags.Logic(s, 1, (byte)((byte)R[op->A] & (byte)R[op->B])); op++; continue; }
                case OpCode.Test16RR: { Flags.Logic(s, 2, (ushort)((ushort)R[op->A] & (ushort)R[op->B])); op++; continue; }
                case OpCode.Test32RR: { Flags.Logic32(s, (uint)((uint)R[op->A] & (uint)R[op->B])); op++; continue; }
                case OpCode.Test64RR: { Flags.Logic64(s, (R[op->A] & R[op->B])); op++; continue; }
                case OpCode.Test8RI: { Flags.Logic(s, 1, (byte)((byte)R[op->A] & (byte)op->Imm)); op++; continue; }
                case OpCode.Test16RI: { Flags.Logic(s, 2, (ushort)((ushort)R[op->A] & (ushort)op->Imm)); op++; continue; }
                case OpCode.Test32RI: { Flags.Logic32(s, (uint)((uint)R[op->A] & (uint)op->Imm)); op++; continue; }
                case OpCode.Test64RI: { Flags.Logic64(s, (R[op->A] & (ulong)op->Imm)); op++; continue; }
                case OpCode.Inc8: { byte a = (byte)R[op->A], r = (byte)(a + 1); R[op->A] = (R[op->A] & ~0xffUL) | r; ulong old = s->FlagsAux; Flags.Add(s, 1, a, 1, r); Flags.KeepCarry(s, old); op++; continue; }
                case OpCode.Inc16: { ushort a = (ushort)R[op->A], r = (ushort)(a + 1); R[op->A] = (R[op->A] & ~0xffffUL) | r; ulong old = s->FlagsAux; Flags.Add(s, 2, a, 1, r); Flags.KeepCarry(s, old); op++; continue; }
                case OpCode.Inc32: { uint a = (uint)R[op->A], r = (uint)(a + 1); R[op->A] = r; ulong old = s->FlagsAux; Flags.Add32(s, a, 1, r); Flags.KeepCarry(s, old); op++; continue; }
                case OpCode.Inc64: { ulong a = R[op->A], r = (a + 1); R[op->A] = r; ulong old = s->FlagsAux; Flags.Add64(s, a, 1, r); Flags.KeepCarry(s, old); op++; continue; }
                case OpCode.Dec8: { byte a = (byte)R[op->A], r = (byte)(a - 1); R[op->A] = (R[op->A] & ~0xffUL) | r; ulong old = s->FlagsAux; Flags.Sub(s, 1, a, 1, r); Flags.KeepCarry(s, old); op++; continue; }
                case OpCode.Dec16: { ushort a = (ushort)R[op->A], r = (ushort)(a - 1); R[op->A] = (R[op->A] & ~0xffffUL) | r; ulong old = s->FlagsAux; Flags.Sub(s, 2, a, 1, r); Flags.KeepCarry(s, old); op++; continue; }
                case OpCode.Dec32: { uint a = (uint)R[op->A], r = (uint)(a - 1); R[op->A] = r; ulong old = s->FlagsAux; Flags.Sub32(s, a, 1, r); Flags.KeepCarry(s, old); op++; continue; }
                case OpCode.Dec64: { ulong a = R[op->A], r = (a - 1); R[op->A] = r; ulong old = s->FlagsAux; Flags.Sub64(s, a, 1, r); Flags.KeepCarry(s, old); op++; continue; }
                case OpCode.Neg8: { byte a = (byte)R[op->A], r = (byte)(0 - a); R[op->A] = (R[op->A] & ~0xffUL) | r; Flags.Sub(s, 1, 0, a, r); op++; continue; }
                case OpCode.Neg16: { ushort a = (ushort)R[op->A], r = (ushort)(0 - a); R[op->A] = (R[op->A] & ~0xffffUL) | r; Flags.Sub(s, 2, 0, a, r); op++; continue; }
                case OpCode.Neg32: { uint a = (uint)R[op->A], r = (uint)(0 - a); R[op->A] = r; Flags.Sub32(s, 0, a, r); op++; continue; }
                case OpCode.Neg64: { ulong a = R[op->A], r = (0 - a); R[op->A] = r; Flags.Sub64(s, 0, a, r); op++; continue; }
                case OpCode.Not8: { byte r = (byte)(~(byte)R[op->A]); R[op->A] = (R[op->A] & ~0xffUL) | r; op++; continue; }
                case OpCode.Not16: { ushort r = (ushort)(~(ushort)R[op->A]); R[op->A] = (R[op->A] & ~0xffffUL) | r; op++; continue; }
                case OpCode.Not32: { uint r = (uint)(~(uint)R[op->A]); R[op->A] = r; op++; continue; }
                case OpCode.Not64: { ulong r = (~R[op->A]); R[op->A] = r; op++; continue; }
                // Counts are 1 to 31 or 63. Bit 63 of FlagsAux is CF, bit 62 is CF xor OF.
                case OpCode.Shl32I: { int n = op->C; uint a = (uint)R[op->A], r = a << n; R[op->A] = r; s->FlagsResult = (ulong)(int)r; s->FlagsAux = ((ulong)(a >> (32 - n)) << 63) | ((ulong)(r >> 31) << 62); op++; continue; }
                case OpCode.Shl64I: { int n = op->C; ulong a = R[op->A], r = a << n; R[op->A] = r; s->FlagsResult = r; s->FlagsAux = ((a >> (64 - n)) << 63) | ((r >> 63) << 62); op++; continue; }
                case OpCode.Shr32I: { int n = op->C; uint a = (uint)R[op->A], r = a >> n; R[op->A] = r; ulong carry = a >> (n - 1) & 1; s->FlagsResult = (ulong)(int)r; s->FlagsAux = (carry << 63) | ((carry ^ (a >> 31)) << 62); op++; continue; }
                case OpCode.Shr64I: { int n = op->C; ulong a = R[op->A], r = a >> n; R[op->A] = r; ulong carry = a >> (n - 1) & 1; s->FlagsResult = r; s->FlagsAux = (carry << 63) | ((carry ^ (a >> 63)) << 62); op++; continue; }
                case OpCode.Sar32I: { int n = op->C; int a = (int)R[op->A]; uint r = (uint)(a >> n); R[op->A] = r; ulong carry = (uint)(a >> (n - 1)) & 1; s->FlagsResult = (ulong)(int)r; s->FlagsAux = (carry << 63) | (carry << 62); op++; continue; }
                case OpCode.Sar64I: { int n = op->C; long a = (long)R[op->A]; ulong r = (ulong)(a >> n); R[op->A] = r; ulong carry = (ulong)(a >> (n - 1)) & 1; s->FlagsResult = r; s->FlagsAux = (carry << 63) | (carry << 62); op++; continue; }

                case OpCode.Rol32I: { uint r = BitOperations.RotateLeft((uint)R[op->A], op->C); R[op->A] = r; Flags.SetCarryOverflow(s, (r & 1) != 0, ((r ^ (r >> 31)) & 1) != 0); op++; continue; }
                case OpCode.Rol64I: { ulong r = BitOperations.RotateLeft(R[op->A], op->C); R[op->A] = r; Flags.SetCarryOverflow(s, (r & 1) != 0, ((r ^ (r >> 63)) & 1) != 0); op++; continue; }
                case OpCode.Ror32I: { uint r = BitOperations.RotateRight((uint)R[op->A], op->C); R[op->A] = r; Flags.SetCarryOverflow(s, (int)r < 0, (int)(r ^ (r << 1)) < 0); op++; continue; }
                case OpCode.Ror64I: { ulong r = BitOperations.RotateRight(R[op->A], op->C); R[op->A] = r; Flags.SetCarryOverflow(s, (long)r < 0, (long)(r ^ (r << 1)) < 0); op++; continue; }

                case OpCode.ImulRR32: { long p = (long)(int)R[op->A] * (int)R[op->B]; R[op->A] = (uint)p; SetImul32(s, p); op++; continue; }
                case OpCode.ImulRI32: { long p = (long)(int)R[op->B] * (int)op->Imm; R[op->A] = (uint)p; SetImul32(s, p); op++; continue; }
                case OpCode.ImulRR64: { long high = Multiply.Signed((long)R[op->A], (long)R[op->B], out long low); R[op->A] = (ulong)low; SetImul64(s, high, low); op++; continue; }
                case OpCode.ImulRI64: { long high = Multiply.Signed((long)R[op->B], op->Imm, out long low); R[op->A] = (ulong)low; SetImul64(s, high, low); op++; continue; }
                case OpCode.Mul64:
                {
                    ulong high = Multiply.Unsigned(R[Reg.Rax], R[op->B], out ulong low);
                    R[Reg.Rax] = low;
                    R[Reg.Rdx] = high;
                    s->FlagsResult = low;
                    s->FlagsAux = high != 0 ? 1UL << 63 : 0;
                    op++;
                    continue;
                }

                case OpCode.Mul32:
                {
                    ulong product = (ulong)(uint)R[Reg.Rax] * (uint)R[op->B];
                    R[Reg.Rax] = (uint)product;
                    R[Reg.Rdx] = product >> 32;
                    s->FlagsResult = (ulong)(int)product;
                    s->FlagsAux = product >> 32 != 0 ? 1UL << 63 : 0;
                    op++;
                    continue;
                }

                case OpCode.BtRI32: Flags.SetCarry(s, ((uint)R[op->A] >> (int)(op->Imm & 31) & 1) != 0); op++; continue;
                case OpCode.BtRI64: Flags.SetCarry(s, (R[op->A] >> (int)(op->Imm & 63) & 1) != 0); op++; continue;
                case OpCode.BtRR32: Flags.SetCarry(s, ((uint)R[op->A] >> (int)(R[op->B] & 31) & 1) != 0); op++; continue;
                case OpCode.BtRR64: Flags.SetCarry(s, (R[op->A] >> (int)(R[op->B] & 63) & 1) != 0); op++; continue;
                case OpCode.Cdqe: R[Reg.Rax] = (ulong)(int)R[Reg.Rax]; op++; continue;
                case OpCode.Cwde: R[Reg.Rax] = (uint)(short)R[Reg.Rax]; op++; continue;
                case OpCode.Cdq: R[Reg.Rdx] = (uint)((int)R[Reg.Rax] >> 31); op++; continue;
                case OpCode.Cqo: R[Reg.Rdx] = (ulong)((long)R[Reg.Rax] >> 63); op++; continue;
                case OpCode.XchgRR32: { uint a = (uint)R[op->A]; R[op->A] = (uint)R[op->B]; R[op->B] = a; op++; continue; }
                case OpCode.XchgRR64: (R[op->A], R[op->B]) = (R[op->B], R[op->A]); op++; continue;
                case OpCode.Bswap32: R[op->A] = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness((uint)R[op->A]); op++; continue;
                case OpCode.Bswap64: R[op->A] = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(R[op->A]); op++; continue;
                case OpCode.Setcc: R[op->A] = (R[op->A] & ~0xffUL) | (Flags.Condition(s, op->C) ? 1UL : 0UL); op++; continue;
                case OpCode.Cmov32: R[op->A] = Flags.Condition(s, op->C) ? (uint)R[op->B] : (uint)R[op->A]; op++; continue;
                case OpCode.Cmov64: if (Flags.Condition(s, op->C)) R[op->A] = R[op->B]; op++; continue;

                case OpCode.Push64:
                case OpCode.PushI64:
                {
                    ulong value = op->Code == OpCode.Push64 ? R[op->B] : (ulong)op->Imm;
                    ulong linear = R[Reg.Rsp] - 8;
                    byte* p = MemoryUnit.Writable(s, linear, 8);
                    if (p != null)
                    {
                        *(ulong*)p = value;
                        R[Reg.Rsp] = linear;
                        op++;
                        continue;
                    }

                    if (!cpu.Mem.TryWriteSlow(linear, 8, value, true)) goto fault;
                    R[Reg.Rsp] = linear;
                    goto stored;
                }

                case OpCode.Pop64:
                {
                    ulong linear = R[Reg.Rsp];
                    byte* p = MemoryUnit.Readable(s, linear, 8);
                    ulong value;
                    if (p != null) value = *(ulong*)p;
                    else if (!cpu.Mem.TryReadSlow(linear, 8, out value, true)) goto fault;
                    R[Reg.Rsp] = linear + 8;
                    R[op->A] = value;
                    op++;
                    continue;
                }

                case OpCode.Jmp: taken = true; goto branch;
                case OpCode.Jo: taken = Flags.OF(s); goto branch;
                case OpCode.Jno: taken = !Flags.OF(s); goto branch;
                case OpCode.Jb: taken = Flags.CF(s); goto branch;
                case OpCode.Jae: taken = !Flags.CF(s); goto branch;
                case OpCode.Je: taken = s->FlagsResult == 0; goto branch;
                case OpCode.Jne: taken = s->FlagsResult != 0; goto branch;
                case OpCode.Jbe: taken = s->FlagsResult == 0 || Flags.CF(s); goto branch;
                case OpCode.Ja: taken = s->FlagsResult != 0 && !Flags.CF(s); goto branch;
                case OpCode.Js: taken = Flags.SF(s); goto branch;
                case OpCode.Jns: taken = !Flags.SF(s); goto branch;
                case OpCode.Jp: taken = Flags.PF(s); goto branch;
                case OpCode.Jnp: taken = !Flags.PF(s); goto branch;
                case OpCode.Jl: taken = Flags.SF(s) != Flags.OF(s); goto branch;
                case OpCode.Jge: taken = Flags.SF(s) == Flags.OF(s); goto branch;
                case OpCode.Jle: taken = s->FlagsResult == 0 || Flags.SF(s) != Flags.OF(s); goto branch;
                case OpCode.Jg: taken = s->FlagsResult != 0 && Flags.SF(s) == Flags.OF(s); goto branch;
                case OpCode.CmpJcc32RR: { uint a = (uint)R[op->A], b = (uint)R[op->B]; Flags.Sub32(s, a, b, a - b); taken = Compare((int)a, (int)b, op->C, s); goto branch; }
                case OpCode.CmpJcc32RI: { uint a = (uint)R[op->A], b = (uint)op->Disp; Flags.Sub32(s, a, b, a - b); taken = Compare((int)a, (int)b, op->C, s); goto branch; }
                case OpCode.CmpJcc64RR: { ulong a = R[op->A], b = R[op->B]; Flags.Sub64(s, a, b, a - b); taken = Compare((long)a, (long)b, op->C, s); goto branch; }
                case OpCode.CmpJcc64RI: { ulong a = R[op->A], b = (ulong)(long)op->Disp; Flags.Sub64(s, a, b, a - b); taken = Compare((long)a, (long)b, op->C, s); goto branch; }
                case OpCode.CmpJcc8RI: { byte a = (byte)R[op->A], b = (byte)op->Disp; Flags.Sub(s, 1, a, b, (byte)(a - b)); taken = Compare((int)(sbyte)a, (int)(sbyte)b, op->C, s); goto branch; }
                case OpCode.TestJcc32RR: { uint r = (uint)(R[op->A] & R[op->B]); Flags.Logic32(s, r); taken = Test((int)r, op->C, s); goto branch; }
                case OpCode.TestJcc64RR: { ulong r = R[op->A] & R[op->B]; Flags.Logic64(s, r); taken = Test((long)r, op->C, s); goto branch; }
                case OpCode.TestJcc8RR: { byte r = (byte)(R[op->A] & R[op->B]); Flags.Logic(s, 1, r); taken = Test((sbyte)r, op->C, s); goto branch; }
                case OpCode.TestJcc8RI: { byte r = (byte)(R[op->A] & (ulong)(long)op->Disp); Flags.Logic(s, 1, r); taken = Test((sbyte)r, op->C, s); goto branch; }
                case OpCode.TestJcc32RI: { uint r = (uint)(R[op->A] & (ulong)(long)op->Disp); Flags.Logic32(s, r); taken = Test((int)r, op->C, s); goto branch; }

                case OpCode.JmpR64:
                    s->Rip = R[op->B];
                    goto lookup;

                case OpCode.Call64:
                case OpCode.CallR64:
                {
                    ulong target = op->Code == OpCode.Call64 ? R[Reg.BlockRip] + (ulong)op->Imm : R[op->B];
                    ulong linear = R[Reg.Rsp] - 8;
                    ulong back = R[Reg.BlockRip] + op->Offset + op->Length;
                    byte* p = MemoryUnit.Writable(s, linear, 8);
                    if (p != null) *(ulong*)p = back;
                    else if (!cpu.Mem.TryWriteSlow(linear, 8, back, true)) goto fault;
                    R[Reg.Rsp] = linear;
                    s->Rip = target;
                    if (op->Code == OpCode.Call64)
                    {
                        taken = true;
                        goto branch;
                    }

                    goto lookup;
                }

                case OpCode.Ret64:
                {
                    ulong linear = R[Reg.Rsp];
                    byte* p = MemoryUnit.Readable(s, linear, 8);
                    ulong target;
                    if (p != null) target = *(ulong*)p;
                    else if (!cpu.Mem.TryReadSlow(linear, 8, out target, true)) goto fault;
                    R[Reg.Rsp] = linear + 8 + (ulong)op->Imm;
                    s->Rip = target;
                    goto lookup;
                }

                default:
                    throw new InvalidOperationException("step without meaning");
            }

        branch:
            {
                ulong start = R[Reg.BlockRip];
                ulong target;
                if (taken)
                {
                    target = start + (ulong)op->Imm;
                    link = &block->Taken;
                }
                else
                {
                    target = start + op->Offset + op->Length;
                    link = &block->FallThrough;
                }

                s->Rip = target;
                s->CodeChanged = 0;
                Block* next = *link;
                if (next != null)
                {
                    link = null;
                    if (Volatile.Read(ref s->Pending) != 0) return;
                    from = block;
                    block = next;
                    goto enter;
                }

                if ((target ^ start) >> 12 == 0 && first == null) from = block;
                else link = null;
                goto lookup;
            }

        stored:
            op++;
            if (s->CodeChanged == 0) continue;

        changed:
            // A store changed decoded code, perhaps of this very block: go on with fresh steps at the next instruction.
            if ((op->Flags & OpFlags.First) == 0) continue;
            s->CodeChanged = 0;
            s->Rip = cpu.InstructionRip(op);
            goto lookup;
        }

    fault:
        cpu.TurnStackFault(op);
        s->Rip = cpu.InstructionRip(op);
        return;

    leave:
        cpu.TurnStackFault(op);
        s->CodeChanged = 0;
        if (cpu.Fault.Active && !cpu.Fault.IsTrap && !cpu.Fault.IsSoftware) s->Rip = cpu.InstructionRip(op);
    }

    private static bool LoadForUpdate(Cpu cpu, Op* op, ulong linear, int size)
    {
        cpu.S->RmwLinear = linear;
        return cpu.Mem.TryProbeWrite(linear, size, (op->Flags & OpFlags.Stack) != 0) && cpu.Mem.TryRead(linear, size, out cpu.S->R[op->A]);
    }

    private static bool LoadXmm(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong linear = cpu.LinearAddress(op);
        bool stack = (op->Flags & OpFlags.Stack) != 0;
        ref Vector128<byte> target = ref CpuState.Xmm(s)[op->A];
        if (op->Code is OpCode.LdX64 or OpCode.LdX32)
        {
            int size = op->Code == OpCode.LdX64 ? 8 : 4;
            if (!cpu.Mem.TryRead(linear, size, out ulong value, stack)) return false;
            target = Vector128.CreateScalar(value).AsByte();
            return true;
        }

        if (op->Code == OpCode.LdX128Aligned && (linear & 15) != 0) return cpu.RaiseGp();
        byte* p = MemoryUnit.Readable(s, linear, 16);
        if (p != null)
        {
            target = Vector128.Load(p);
            return true;
        }

        Vector128<byte> loaded;
        if (!cpu.Mem.TryReadBytes(linear, new Span<byte>(&loaded, 16), stack)) return false;
        target = loaded;
        return true;
    }

    private static bool StoreXmm(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        ulong linear = cpu.LinearAddress(op);
        bool stack = (op->Flags & OpFlags.Stack) != 0;
        Vector128<byte> value = CpuState.Xmm(s)[op->B];
        if (op->Code == OpCode.StX64) return cpu.Mem.TryWrite(linear, 8, value.AsUInt64().ToScalar(), stack);
        if (op->Code == OpCode.StX32) return cpu.Mem.TryWrite(linear, 4, value.AsUInt32().ToScalar(), stack);
        if (op->Code == OpCode.StX128Aligned && (linear & 15) != 0) return cpu.RaiseGp();
        byte* p = MemoryUnit.Writable(s, linear, 16);
        if (p == null) return cpu.Mem.TryWriteBytes(linear, new ReadOnlySpan<byte>(&value, 16), stack);
        value.Store(p);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SetImul32(CpuState* s, long product)
    {
        s->FlagsResult = (ulong)(int)product;
        s->FlagsAux = product != (int)product ? 1UL << 63 : 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SetImul64(CpuState* s, long high, long low)
    {
        s->FlagsResult = (ulong)low;
        s->FlagsAux = high != low >> 63 ? 1UL << 63 : 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Compare(int a, int b, int condition, CpuState* s) => condition switch
    {
        2 => (uint)a < (uint)b,
        3 => (uint)a >= (uint)b,
        4 => a == b,
        5 => a != b,
        6 => (uint)a <= (uint)b,
        7 => (uint)a > (uint)b,
        12 => a < b,
        13 => a >= b,
        14 => a <= b,
        15 => a > b,
        _ => Flags.Condition(s, condition),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Compare(long a, long b, int condition, CpuState* s) => condition switch
    {
        2 => (ulong)a < (ulong)b,
        3 => (ulong)a >= (ulong)b,
        4 => a == b,
        5 => a != b,
        6 => (ulong)a <= (ulong)b,
        7 => (ulong)a > (ulong)b,
        12 => a < b,
        13 => a >= b,
        14 => a <= b,
        15 => a > b,
        _ => Flags.Condition(s, condition),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Test(long r, int condition, CpuState* s) => condition switch
    {
        4 or 6 => r == 0,
        5 or 7 => r != 0,
        8 or 12 => r < 0,
        9 or 13 => r >= 0,
        14 => r <= 0,
        15 => r > 0,
        _ => Flags.Condition(s, condition),
    };
}
