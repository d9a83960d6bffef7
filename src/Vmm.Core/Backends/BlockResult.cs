namespace Vmm.Core.Backends;

/// <summary>How a block request ended. A request that failed may have been carried out in part.</summary>
public enum BlockResult : byte
{
    Ok,

    /// <summary>A byte of the request lies beyond the end.</summary>
    OutOfRange,

    /// <summary>A change was asked of a read-only image.</summary>
    ReadOnly,

    /// <summary>The host has no room left.</summary>
    NoSpace,

    /// <summary>The host could not read or write.</summary>
    IoError,

    /// <summary>The image contradicts itself; it takes no more changes until it is repaired.</summary>
    Corrupt,

    /// <summary>This image cannot do that.</summary>
    NotSupported,
}
