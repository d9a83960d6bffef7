using Vmm.Core.Backends;

namespace Vmm.Storage;

/// <summary>A request that the host, or the image itself, did not let succeed.</summary>
/// <param name="Operation">What was asked.</param>
/// <param name="Offset">The first byte on the disk; 0 for a flush.</param>
/// <param name="Count">Bytes; 0 for a flush.</param>
/// <param name="Result">How it ended.</param>
/// <param name="ErrorNumber">The host's error number (errno); 0 where it was not the host that failed.</param>
/// <param name="Message">One line for people.</param>
public readonly record struct BlockFailure(BlockOperation Operation, ulong Offset, ulong Count, BlockResult Result, int ErrorNumber, string Message);
