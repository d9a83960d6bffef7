using Vmm.Core.Hypervisor;

namespace Vmm.Cpu.State;

/// <summary>Selector and hidden part of a segment register but for the base, which stands among the registers (<see cref="Reg.SegmentBase"/>).</summary>
internal struct SegmentCache
{
    public ushort Selector;
    public SegmentAttributes Attributes;

    /// <summary>Highest offset in bytes.</summary>
    public uint Limit;

    public readonly int Dpl => (int)(Attributes & SegmentAttributes.DplMask) >> 5;

    public readonly bool Is(SegmentAttributes attribute) => (Attributes & attribute) != 0;
}
