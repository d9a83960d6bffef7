using Vmm.Core.Hypervisor;

namespace Vmm.Cpu.State;

/// <summary>LDTR or TR with its hidden part.</summary>
internal struct SystemSegment
{
    public ushort Selector;
    public SegmentAttributes Attributes;
    public uint Limit;
    public ulong Base;
}
