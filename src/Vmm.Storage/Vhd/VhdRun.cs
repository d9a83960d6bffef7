namespace Vmm.Storage.Vhd;

/// <summary>A piece of the disk that is kept in one way.</summary>
/// <param name="Kind">Data, or unallocated.</param>
/// <param name="Length">Bytes from the offset that was asked.</param>
/// <param name="HostOffset">Where the first of them lies, or would lie, in the file; 0: its block has no place.</param>
internal readonly record struct VhdRun(BlockExtentKind Kind, ulong Length, ulong HostOffset);
