namespace Vmm.Storage.Qcow2;

/// <summary>A piece of the disk that is kept in one way.</summary>
/// <param name="Kind">In which.</param>
/// <param name="Length">Bytes from the offset that was asked.</param>
/// <param name="HostOffset">Data: where the first of them lies in the file.</param>
/// <param name="Entry">The L2 entry of the first.</param>
/// <param name="IsInPlace">The clusters belong to the active disk alone: they may be overwritten where they are.</param>
internal readonly record struct Qcow2Run(BlockExtentKind Kind, ulong Length, ulong HostOffset, ulong Entry, bool IsInPlace);
