namespace Vmm.Core.Backends.Files;

/// <summary>A record lock.</summary>
/// <param name="Kind">Shared, exclusive, or none to unlock.</param>
/// <param name="Start">First byte.</param>
/// <param name="Length">Bytes; 0 for all from there on.</param>
/// <param name="ProcessId">Who has it; 0 when that is unknown.</param>
public readonly record struct FileLock(FileLockKind Kind, ulong Start, ulong Length, uint ProcessId = 0);
