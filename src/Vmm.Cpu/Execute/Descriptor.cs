using Vmm.Core.Hypervisor;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>A segment or gate descriptor as read from a table (Intel SDM vol. 3 §3.4.5, §3.5, §5.8).</summary>
internal readonly struct Descriptor(ulong low, ulong high, ulong address)
{
    public const int Tss16Available = 1, Ldt = 2, Tss16Busy = 3, CallGate16 = 4, TaskGate = 5, InterruptGate16 = 6, TrapGate16 = 7, Tss32Available = 9, Tss32Busy = 11,
        CallGate32 = 12, InterruptGate32 = 14, TrapGate32 = 15;

    /// <summary>The first eight bytes.</summary>
    public ulong Low => low;

    /// <summary>Linear address in the table, for the accessed and busy bits.</summary>
    public ulong Address => address;

    public SegmentAttributes Attributes => (SegmentAttributes)((low >> 40) & 0xf0ff);

    public bool Present => (low >> 47 & 1) != 0;

    public int Dpl => (int)(low >> 45 & 3);

    public bool IsSystem => (low >> 44 & 1) == 0;

    public int Type => (int)(low >> 40 & 15);

    public bool IsCode => !IsSystem && (Type & 8) != 0;

    public bool IsConforming => (Type & 4) != 0;

    /// <summary>Writable for data, readable for code.</summary>
    public bool IsWritableOrReadable => (Type & 2) != 0;

    public bool IsLong => (low >> 53 & 1) != 0;

    public bool IsBig => (low >> 54 & 1) != 0;

    public uint Base32 => (uint)(low >> 16 & 0xffffff) | ((uint)(low >> 56) << 24);

    /// <summary>Base of a 16-byte system descriptor.</summary>
    public ulong Base64 => Base32 | (high << 32);

    /// <summary>Limit in bytes.</summary>
    public uint Limit
    {
        get
        {
            uint limit = (uint)(low & 0xffff) | (uint)(low >> 32 & 0xf0000);
            return (low >> 55 & 1) != 0 ? (limit << 12) | 0xfff : limit;
        }
    }

    public ushort GateSelector => (ushort)(low >> 16);

    public uint GateOffset32 => (uint)(low & 0xffff) | (uint)(low >> 32 & 0xffff0000);

    public ulong GateOffset64 => GateOffset32 | (high << 32);

    public int GateParameters => (int)(low >> 32 & 31);

    public int GateIst => (int)(low >> 32 & 7);

    /// <summary>Segment register contents for this descriptor.</summary>
    public SegmentCache ToCache(ushort selector) => new() { Selector = selector, Attributes = Attributes, Limit = Limit };
}
