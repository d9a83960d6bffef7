namespace Vmm.Core.Hypervisor;

/// <summary>GDTR or IDTR.</summary>
public readonly record struct DescriptorTableState(ulong Base, ushort Limit);
