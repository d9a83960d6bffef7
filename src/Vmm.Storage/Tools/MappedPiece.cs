namespace Vmm.Storage.Tools;

/// <summary>A piece of a disk, and where it lies.</summary>
/// <param name="Offset">In the disk.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Kind">How it is kept.</param>
/// <param name="Depth">0 is the image itself, 1 its backing image, and so on.</param>
/// <param name="HostOffset">Where it lies in the file, when it lies there as it is.</param>
/// <param name="File">Which.</param>
public readonly record struct MappedPiece(ulong Offset, ulong Length, BlockExtentKind Kind, int Depth, ulong? HostOffset, string File);
