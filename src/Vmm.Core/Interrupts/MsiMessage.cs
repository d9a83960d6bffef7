namespace Vmm.Core.Interrupts;

/// <summary>A message-signalled interrupt: the address and data of the memory write (Intel SDM vol. 3 §11.11).</summary>
public readonly record struct MsiMessage(ulong Address, uint Data);
