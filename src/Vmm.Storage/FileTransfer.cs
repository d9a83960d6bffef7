using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage;

/// <summary>Parts of a request to and from the file, or from the image below.</summary>
internal static class FileTransfer
{
    private const int Batch = 64;

    /// <summary>Fills the next vectors from the file.</summary>
    public static void Read(IImageFile file, ulong offset, ulong count, ref IoCursor cursor)
    {
        Span<IoVec> batch = stackalloc IoVec[Batch];
        while (count != 0)
        {
            int vectors = cursor.Take(count, batch, out ulong bytes);
            file.Read(offset, batch[..vectors]);
            offset += bytes;
            count -= bytes;
        }
    }

    /// <summary>Writes the next vectors to the file.</summary>
    public static void Write(IImageFile file, ulong offset, ulong count, ref IoCursor cursor)
    {
        Span<IoVec> batch = stackalloc IoVec[Batch];
        while (count != 0)
        {
            int vectors = cursor.Take(count, batch, out ulong bytes);
            file.Write(offset, batch[..vectors]);
            offset += bytes;
            count -= bytes;
        }
    }

    /// <summary>Fills the next vectors from the image below; beyond its end, and without one, there are zeros.</summary>
    public static void ReadBacking(IDiskImage? backing, ulong offset, ulong count, ref IoCursor cursor)
    {
        ulong below = backing is null || offset >= backing.SizeBytes ? 0 : Math.Min(count, backing.SizeBytes - offset);
        count -= below;
        Span<IoVec> batch = stackalloc IoVec[Batch];
        while (below != 0)
        {
            int vectors = cursor.Take(below, batch, out ulong bytes);
            Check(backing!.Read(offset, batch[..vectors]), backing);
            offset += bytes;
            below -= bytes;
        }

        cursor.Clear(count);
    }

    /// <summary>The same into a buffer.</summary>
    public static void ReadBacking(IDiskImage? backing, ulong offset, Span<byte> buffer)
    {
        int below = backing is null || offset >= backing.SizeBytes ? 0 : (int)Math.Min((ulong)buffer.Length, backing.SizeBytes - offset);
        if (below != 0) Check(backing!.Read(offset, buffer[..below]), backing!);
        buffer[below..].Clear();
    }

    private static void Check(BlockResult result, IDiskImage backing)
    {
        if (result != BlockResult.Ok) throw new ImageException(BlockResult.IoError, $"{backing.Name}: {backing.FirstError ?? result.ToString()}");
    }
}
