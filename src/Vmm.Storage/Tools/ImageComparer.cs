using Vmm.Core.Memory;

namespace Vmm.Storage.Tools;

/// <summary>Compares the content of two disks. Where one ends the other may go on with zeros.</summary>
public static class ImageComparer
{
    private const int BufferBytes = 1 << 20;

    /// <summary>Looks for the first difference.</summary>
    /// <returns>Its offset, or null.</returns>
    /// <exception cref="ImageMapException">An image's tables do not say where a piece of it lies.</exception>
    /// <exception cref="ImageException">A read failed.</exception>
    public static ulong? FirstDifference(IDiskImage a, IDiskImage b, Action<double>? progress)
    {
        ulong size = Math.Max(a.SizeBytes, b.SizeBytes);
        byte[] ofA = GC.AllocateUninitializedArray<byte>(BufferBytes, pinned: true);
        byte[] ofB = GC.AllocateUninitializedArray<byte>(BufferBytes, pinned: true);
        for (ulong at = 0; at < size;)
        {
            bool zeroA = IsZero(a, at, size, out ulong lengthA);
            bool zeroB = IsZero(b, at, size, out ulong lengthB);
            ulong part = Math.Min(lengthA, lengthB);
            if (!zeroA || !zeroB)
            {
                part = Math.Min(part, BufferBytes);
                Span<byte> left = Read(a, at, ofA.AsSpan(0, (int)part), zeroA);
                Span<byte> right = Read(b, at, ofB.AsSpan(0, (int)part), zeroB);
                int same = left.CommonPrefixLength(right);
                if (same != (int)part) return at + (ulong)same;
            }

            at += part;
            progress?.Invoke((double)at / size);
        }

        return null;
    }

    private static bool IsZero(IDiskImage image, ulong offset, ulong size, out ulong length)
    {
        length = size - offset;
        if (offset >= image.SizeBytes) return true;
        try
        {
            return ImageConverter.IsZero(image, offset, image.SizeBytes - offset, out length);
        }
        catch (ImageException e)
        {
            throw new ImageMapException(e.Message, e);
        }
    }

    private static Span<byte> Read(IDiskImage image, ulong offset, Span<byte> buffer, bool isZero)
    {
        if (isZero) buffer.Clear();
        else ImageConverter.Check(image.Read(offset, buffer), image);
        return buffer;
    }
}
