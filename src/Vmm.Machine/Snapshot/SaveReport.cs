namespace Vmm.Machine.Snapshot;

/// <summary>A machine was saved.</summary>
/// <param name="SizeBytes">Bytes of the file.</param>
/// <param name="MemoryBytes">Of which the guest's memory.</param>
public sealed record SaveReport(ulong SizeBytes, ulong MemoryBytes);
