namespace Vmm.Control.Rpc;

/// <summary>A domain was saved.</summary>
/// <param name="Path">The file.</param>
/// <param name="SizeBytes">Its length.</param>
/// <param name="MemoryBytes">Of which the guest's memory, without its pages of zeros.</param>
/// <param name="Seconds">How long the guest stood still for it.</param>
public sealed record SaveInfo(string Path, ulong SizeBytes, ulong MemoryBytes, double Seconds);
