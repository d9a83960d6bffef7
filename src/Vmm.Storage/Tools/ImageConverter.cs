using System.Runtime.ExceptionServices;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Storage.Vmdk;

namespace Vmm.Storage.Tools;

/// <summary>Copies a disk's content from one image to another that is empty. Holes and zeros stay holes.</summary>
public static class ImageConverter
{
    private const int BufferBytes = 2 << 20;

    private const int MostWorkers = 4;

    /// <summary>Zeros are looked for in pieces of this size.</summary>
    private const int GrainBytes = 4096;

    /// <summary>Copies everything.</summary>
    /// <param name="from">With its backing images.</param>
    /// <param name="to">Reads as zeros everywhere, and is at least as large.</param>
    /// <param name="compress">Write compressed clusters, where the format has them.</param>
    /// <param name="progress">Is told the part that is done, 0 to 1.</param>
    /// <exception cref="ImageException">A read or write failed, or there is no compression in the format.</exception>
    public static void Copy(IDiskImage from, IDiskImage to, bool compress, Action<double>? progress)
    {
        ulong size = from.SizeBytes;
        if (to.SizeBytes < size) throw new ImageException($"{to.Name} has {to.SizeBytes} bytes; {size} are needed");
        if (compress && to is not ICompressedTarget) throw new ImageException($"the format {to.Format.Name()} has no compression here");
        using IEnumerator<(ulong Offset, ulong Count)> pieces = DataPieces(from, size).GetEnumerator();
        if (compress) CopyCompressed(from, (ICompressedTarget)to, pieces, progress);
        else CopyPlain(from, to, pieces, progress);
        Check(to.Flush(), to);
        progress?.Invoke(1);
    }

    /// <summary>Copies everything into a new VMDK image that is written once from front to back.</summary>
    /// <param name="from">With its backing images.</param>
    /// <param name="path">A new file; what it held is lost.</param>
    /// <param name="options">How; of the source's size.</param>
    /// <param name="ignoreFlush">See <see cref="ImageOpenOptions.IgnoreFlush"/>.</param>
    /// <param name="progress">Is told the part that is done, 0 to 1.</param>
    public static void CopyToStream(IDiskImage from, string path, VmdkCreateOptions options, bool ignoreFlush, Action<double>? progress)
    {
        using HostImageFile file = new(BlockFile.Create(path), ignoreFlush);
        VmdkStreamWriter writer = new(file, options);
        using IEnumerator<(ulong Offset, ulong Count)> pieces = DataPieces(from, from.SizeBytes).GetEnumerator();
        CopyCompressed(from, writer, pieces, progress);
        writer.Finish();
        progress?.Invoke(1);
    }

    /// <summary>The pieces of a disk that may hold anything but zeros, joined where they touch, in order.</summary>
    internal static IEnumerable<(ulong Offset, ulong Count)> DataPieces(IDiskImage image, ulong size)
    {
        ulong start = 0;
        ulong end = 0;
        for (ulong at = 0; at < size;)
        {
            bool isZero = IsZero(image, at, size - at, out ulong length);
            if (!isZero)
            {
                if (at != end)
                {
                    if (end > start) yield return (start, end - start);
                    start = at;
                }

                end = at + length;
            }

            at += length;
        }

        if (end > start) yield return (start, end - start);
    }

    /// <summary>Whether a disk is known to hold zeros, through all its backing images.</summary>
    internal static bool IsZero(IDiskImage image, ulong offset, ulong count, out ulong length)
    {
        BlockExtent extent = image.Map(offset, count);
        length = extent.Length;
        if (extent.Kind is not BlockExtentKind.Unallocated) return extent.Kind == BlockExtentKind.Zero;
        if (image.Backing is not { } backing || offset >= backing.SizeBytes) return true;
        return IsZero(backing, offset, Math.Min(length, backing.SizeBytes - offset), out length);
    }

    // While one worker waits for its write, others read and look for zeros.
    private static void CopyPlain(IDiskImage from, IDiskImage to, IEnumerator<(ulong Offset, ulong Count)> pieces, Action<double>? progress)
    {
        int workers = Math.Clamp(Environment.ProcessorCount, 2, MostWorkers);
        using IEnumerator<(ulong Offset, int Count)> buffers = Buffers(pieces).GetEnumerator();
        Lock turn = new();
        ExceptionDispatchInfo? failure = null;
        Parallel.For(0, workers, new ParallelOptions { MaxDegreeOfParallelism = workers }, _ =>
        {
            byte[] buffer = GC.AllocateUninitializedArray<byte>(BufferBytes, pinned: true);
            try
            {
                while (Next(out ulong offset, out int count))
                {
                    Check(from.Read(offset, buffer.AsSpan(0, count)), from);
                    WriteData(to, offset, buffer.AsSpan(0, count));
                }
            }
            catch (ImageException e)
            {
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(e), null);
            }
        });
        failure?.Throw();

        bool Next(out ulong offset, out int count)
        {
            lock (turn)
            {
                (offset, count) = (0, 0);
                if (Volatile.Read(ref failure) is not null || !buffers.MoveNext()) return false;
                (offset, count) = buffers.Current;
                progress?.Invoke((double)offset / from.SizeBytes);
                return true;
            }
        }
    }

    // Each ends at a border of the buffer's size, so that whole clusters are written.
    private static IEnumerable<(ulong Offset, int Count)> Buffers(IEnumerator<(ulong Offset, ulong Count)> pieces)
    {
        while (pieces.MoveNext())
        {
            (ulong offset, ulong count) = pieces.Current;
            while (count != 0)
            {
                int part = (int)Math.Min(count, BufferBytes - offset % BufferBytes);
                yield return (offset, part);
                offset += (ulong)part;
                count -= (ulong)part;
            }
        }
    }

    // Runs of grains that hold something go out in one write each.
    private static void WriteData(IDiskImage to, ulong offset, ReadOnlySpan<byte> data)
    {
        int start = -1;
        for (int at = 0; at < data.Length;)
        {
            int grain = Math.Min(GrainBytes - (int)((offset + (ulong)at) % GrainBytes), data.Length - at);
            bool isZero = !data.Slice(at, grain).ContainsAnyExcept((byte)0);
            if (isZero && start >= 0)
            {
                Check(to.Write(offset + (ulong)start, data[start..at]), to);
                start = -1;
            }
            else if (!isZero && start < 0)
            {
                start = at;
            }

            at += grain;
        }

        if (start >= 0) Check(to.Write(offset + (ulong)start, data[start..]), to);
    }

    // Packed by all cores, written in order.
    private static void CopyCompressed(IDiskImage from, ICompressedTarget to, IEnumerator<(ulong Offset, ulong Count)> pieces, Action<double>? progress)
    {
        int unitBytes = to.UnitBytes;
        int batch = Math.Max(1, Math.Max(BufferBytes, unitBytes * Environment.ProcessorCount) / unitBytes);
        byte[][] units = new byte[batch][];
        byte[][] packed = new byte[batch][];
        int[] packedBytes = new int[batch];
        for (int i = 0; i < batch; i++)
        {
            units[i] = new byte[unitBytes];
            packed[i] = new byte[to.MostPackedBytes];
        }

        List<ulong> offsets = [];
        foreach (ulong offset in Clusters(pieces, (ulong)unitBytes))
        {
            byte[] unit = units[offsets.Count];
            int part = (int)Math.Min((ulong)unitBytes, from.SizeBytes - offset);
            Check(from.Read(offset, unit.AsSpan(0, part)), from);
            if (!unit.AsSpan(0, part).ContainsAnyExcept((byte)0)) continue;
            unit.AsSpan(part).Clear();
            offsets.Add(offset);
            if (offsets.Count < batch) continue;
            WritePacked();
            progress?.Invoke((double)offset / from.SizeBytes);
        }

        WritePacked();

        void WritePacked()
        {
            Parallel.For(0, offsets.Count, i => packedBytes[i] = to.Pack(units[i], packed[i]));
            for (int i = 0; i < offsets.Count; i++) to.WriteCompressed(offsets[i], units[i], packed[i].AsSpan(0, packedBytes[i]));
            offsets.Clear();
        }
    }

    private static IEnumerable<ulong> Clusters(IEnumerator<(ulong Offset, ulong Count)> pieces, ulong clusterBytes)
    {
        ulong next = 0;
        while (pieces.MoveNext())
        {
            (ulong offset, ulong count) = pieces.Current;
            for (ulong at = Math.Max(next, offset - offset % clusterBytes); at < offset + count; at += clusterBytes)
            {
                yield return at;
                next = at + clusterBytes;
            }
        }
    }

    internal static void Check(BlockResult result, IDiskImage image)
    {
        if (result != BlockResult.Ok) throw new ImageException(result, image.FirstError ?? $"{image.Name}: {result}");
    }
}
