namespace Vmm.Storage.Tools;

/// <summary>Where the pieces of a disk lie, through all backing images.</summary>
public static class ImageMapper
{
    /// <summary>All pieces in order; neighbours that go together are one.</summary>
    public static IEnumerable<MappedPiece> Pieces(IDiskImage image)
    {
        MappedPiece? last = null;
        for (ulong at = 0; at < image.SizeBytes;)
        {
            MappedPiece piece = Look(image, at, image.SizeBytes - at, 0);
            if (last is { } previous && previous.Kind == piece.Kind && previous.Depth == piece.Depth && piece.Kind != BlockExtentKind.Compressed
                && (piece.HostOffset is null || previous.HostOffset + previous.Length == piece.HostOffset))
            {
                last = previous with { Length = previous.Length + piece.Length };
            }
            else
            {
                if (last is { } done) yield return done;
                last = piece;
            }

            at += piece.Length;
        }

        if (last is { } rest) yield return rest;
    }

    private static MappedPiece Look(IDiskImage image, ulong offset, ulong count, int depth)
    {
        BlockExtent extent = image.Map(offset, count);
        if (extent.Kind == BlockExtentKind.Unallocated && image.Backing is { } below && offset < below.SizeBytes)
            return Look(below, offset, Math.Min(extent.Length, below.SizeBytes - offset), depth + 1);
        return new MappedPiece(offset, extent.Length, extent.Kind, depth, extent.Kind == BlockExtentKind.Data ? extent.HostOffset : null, image.Name);
    }
}
