using Vmm.Core.Memory;

namespace Vmm.Storage.Tools;

/// <summary>Writes what an image has of its own into the image below it.</summary>
public static class ImageCommitter
{
    private const int BufferBytes = 1 << 20;

    /// <summary>Carries the content down. What lies above stays as it is.</summary>
    /// <param name="image">Has a backing image.</param>
    /// <param name="below">That image, open for writing.</param>
    /// <param name="progress">Is told the part that is done, 0 to 1.</param>
    /// <exception cref="ImageException">A request failed.</exception>
    public static void Commit(IDiskImage image, IDiskImage below, Action<double>? progress)
    {
        if (below.SizeBytes < image.SizeBytes) below.Resize(image.SizeBytes);
        byte[] buffer = GC.AllocateUninitializedArray<byte>(BufferBytes, pinned: true);
        for (ulong at = 0; at < image.SizeBytes;)
        {
            BlockExtent extent = image.Map(at, image.SizeBytes - at);
            for (ulong done = 0; done < extent.Length;)
            {
                ulong part = Math.Min(extent.Length - done, BufferBytes);
                Carry(image, below, extent.Kind, at + done, buffer.AsSpan(0, (int)part));
                done += part;
            }

            at += extent.Length;
            progress?.Invoke((double)at / image.SizeBytes);
        }

        ImageConverter.Check(below.Flush(), below);
    }

    private static void Carry(IDiskImage image, IDiskImage below, BlockExtentKind kind, ulong offset, Span<byte> buffer)
    {
        if (kind == BlockExtentKind.Unallocated) return;
        if (kind == BlockExtentKind.Zero)
        {
            ImageConverter.Check(below.WriteZeroes(offset, (ulong)buffer.Length, mayUnmap: true), below);
            return;
        }

        ImageConverter.Check(image.Read(offset, buffer), image);
        ImageConverter.Check(below.Write(offset, buffer), below);
    }
}
