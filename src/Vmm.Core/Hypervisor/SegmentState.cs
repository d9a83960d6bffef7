namespace Vmm.Core.Hypervisor;

/// <summary>A segment register with its hidden part.</summary>
/// <param name="Selector">Visible part.</param>
/// <param name="Base">Linear base.</param>
/// <param name="Limit">Highest offset in bytes, granularity already applied.</param>
/// <param name="Attributes">Descriptor attributes.</param>
public readonly record struct SegmentState(ushort Selector, ulong Base, uint Limit, SegmentAttributes Attributes)
{
    /// <summary>Descriptor privilege level.</summary>
    public int Dpl => (int)(Attributes & SegmentAttributes.DplMask) >> 5;
}
