using Vmm.Core.Backends;

namespace Vmm.Machine;

/// <summary>A disk's request that failed.</summary>
/// <param name="Operation">What the guest asked.</param>
/// <param name="Offset">The first byte on the disk; 0 for a flush.</param>
/// <param name="Bytes">How many; 0 for a flush.</param>
/// <param name="ErrorNumber">The host's error number (errno); 0 where it was not the host that failed.</param>
/// <param name="Untold">Failures of this disk just before that were too many to be told.</param>
public sealed record DiskFailure(BlockOperation Operation, ulong Offset, ulong Bytes, int ErrorNumber, long Untold);
