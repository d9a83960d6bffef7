namespace Vmm.Storage;

/// <summary>A piece of a disk whose bytes are all kept in one way.</summary>
/// <param name="Kind">In which.</param>
/// <param name="Length">Bytes.</param>
/// <param name="HostOffset">Where they lie in the file, when they lie there as they are.</param>
public readonly record struct BlockExtent(BlockExtentKind Kind, ulong Length, ulong? HostOffset = null);
