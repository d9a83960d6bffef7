namespace Vmm.Storage.Qcow2;

/// <summary>Entries of the L1 table at one moment, to be written later.</summary>
internal sealed record Qcow2L1Copy(int From, ulong[] Entries, uint Outdated);
