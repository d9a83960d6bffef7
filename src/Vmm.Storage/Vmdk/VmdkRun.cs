namespace Vmm.Storage.Vmdk;

/// <summary>A piece of the disk that is kept in one way.</summary>
/// <param name="Kind">In which.</param>
/// <param name="Length">Bytes from the offset that was asked.</param>
/// <param name="HostOffset">Data: where the first of them lies in the file; compressed: where the grain does.</param>
internal readonly record struct VmdkRun(BlockExtentKind Kind, ulong Length, ulong HostOffset);
