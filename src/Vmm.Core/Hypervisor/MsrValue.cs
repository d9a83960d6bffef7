namespace Vmm.Core.Hypervisor;

/// <summary>A model-specific register and its value.</summary>
public readonly record struct MsrValue(uint Index, ulong Value);
