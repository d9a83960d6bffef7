namespace Vmm.Storage.Sparse;

/// <summary>A piece of the disk that is kept in one way.</summary>
/// <param name="Kind">In which.</param>
/// <param name="Length">Bytes from the offset that was asked.</param>
/// <param name="HostOffset">
/// Data: where the first of them lies in the file; compressed: where its unit does; else where it would lie, or 0 when its unit has no place.
/// </param>
internal readonly record struct SparseRun(BlockExtentKind Kind, ulong Length, ulong HostOffset);
