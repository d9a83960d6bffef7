namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>One CPUID leaf.</summary>
/// <param name="Leaf">EAX in.</param>
/// <param name="Subleaf">ECX in; ignored unless <paramref name="HasSubleaves"/>.</param>
/// <param name="HasSubleaves">True when ECX selects among several entries of the leaf.</param>
public readonly record struct CpuidEntry(uint Leaf, uint Subleaf, bool HasSubleaves, uint Eax, uint Ebx, uint Ecx, uint Edx);
