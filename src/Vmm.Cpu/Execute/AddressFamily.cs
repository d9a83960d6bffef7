using Vmm.Core.Hypervisor;
using Vmm.Cpu.Decode;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>Address steps for what the plain base + index + displacement form cannot say.</summary>
internal static unsafe class AddressFamily
{
    /// <summary>64-bit code: truncates to the address size (Imm is the mask) and adds the segment base R[C].</summary>
    public static bool Long(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        s->R[op->A] = (cpu.LinearAddress(op) & (ulong)op->Imm) + s->R[op->C];
        return true;
    }

    /// <summary>16 and 32-bit code: truncates, checks rights and limit of segment C for Size bytes, adds its base.</summary>
    public static bool Segmented(Cpu cpu, Op* op)
    {
        CpuState* s = cpu.S;
        uint offset = (uint)(cpu.LinearAddress(op) & (ulong)op->Imm);
        if (!Check(cpu, op->C, offset, op->Size, (op->Flags & OpFlags.Write) != 0)) return false;
        s->R[op->A] = (offset + s->R[Reg.SegmentBase + op->C]) & uint.MaxValue;
        return true;
    }

    /// <summary>Judges an access of <paramref name="size"/> bytes at an offset of a segment (Intel SDM vol. 3 §5.3); raises #GP or #SS.</summary>
    public static bool Check(Cpu cpu, int segment, uint offset, int size, bool write)
    {
        bool real = (cpu.S->Mode & (CpuMode.Real | CpuMode.Virtual8086)) != 0;
        return Allows(CpuState.Segments(cpu.S)[segment], real, offset, size, write) || cpu.Raise(segment == Seg.Ss ? Vector.SS : Vector.GP, 0);
    }

    /// <summary>The judgement of <see cref="Check"/> for any segment, without raising.</summary>
    public static bool Allows(in SegmentCache cache, bool real, uint offset, int size, bool write)
    {
        uint last = offset + (uint)Math.Max(size, 1) - 1;
        bool ok;
        if (real)
        {
            ok = last >= offset && last <= cache.Limit;
        }
        else if (cache.Is(SegmentAttributes.Unusable))
        {
            ok = false;
        }
        else if (cache.Is(SegmentAttributes.Code))
        {
            ok = !write && cache.Is(SegmentAttributes.WritableOrReadable) && last >= offset && last <= cache.Limit;
        }
        else
        {
            bool right = !write || cache.Is(SegmentAttributes.WritableOrReadable);
            bool inside;
            if (cache.Is(SegmentAttributes.ExpandDownOrConforming))
            {
                uint top = cache.Is(SegmentAttributes.DB) ? uint.MaxValue : 0xffff;
                inside = offset > cache.Limit && last >= offset && last <= top;
            }
            else
            {
                inside = last <= cache.Limit && last >= offset;
            }

            ok = right && inside;
        }

        return ok;
    }
}
