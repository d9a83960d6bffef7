using System.IO.Hashing;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage;

namespace Vmm.Fuzz.Storage;

/// <summary>What is done with an image that could be opened, in bounded time whatever its size.</summary>
internal static class ImageWork
{
    private const int MostExtents = 2000;
    private const int MostReadBytes = 4 << 20;
    private const int BufferBytes = 64 * 1024;

    /// <summary>The same numbers for the same input.</summary>
    public static Random RandomOf(ReadOnlySpan<byte> input) => new((int)XxHash32.HashToUInt32(input));

    /// <summary>Maps the disk and reads what lies in the file.</summary>
    public static void ReadAll(IDiskImage disk)
    {
        byte[] buffer = new byte[BufferBytes];
        int read = 0;
        ulong at = 0;
        for (int i = 0; i < MostExtents && at < disk.SizeBytes; i++)
        {
            BlockExtent extent;
            try
            {
                extent = disk.Map(at, disk.SizeBytes - at);
            }
            catch (ImageException)
            {
                extent = new BlockExtent(BlockExtentKind.Data, Math.Min(disk.SizeBytes - at, BufferBytes));
            }

            if (extent.Length == 0 || extent.Length > disk.SizeBytes - at) throw new InvalidOperationException($"an extent of {extent.Length} bytes at {at} of {disk.SizeBytes}");
            int part = (int)Math.Min(extent.Length, BufferBytes);
            if (read < MostReadBytes) _ = disk.Read(at, buffer.AsSpan(0, part));
            read += part;
            at += extent.Length;
        }

        if (disk.SizeBytes != 0) _ = disk.Read(disk.SizeBytes - 1, buffer.AsSpan(0, 1));
        if (disk.Read(disk.SizeBytes, buffer) != BlockResult.OutOfRange) throw new InvalidOperationException("a read beyond the end");
    }

    /// <summary>Requests of every kind at random places.</summary>
    public static void Change(IDiskImage disk, Random random)
    {
        byte[] buffer = new byte[BufferBytes];
        random.NextBytes(buffer);
        for (int i = 0; i < 24; i++)
        {
            ulong most = random.Next(2) == 0 ? disk.SizeBytes : Math.Min(disk.SizeBytes, 256 * 1024);
            ulong offset = (ulong)random.NextInt64((long)Math.Max(1, most));
            int count = (int)Math.Min((ulong)random.Next(1, random.Next(4) == 0 ? BufferBytes : 2000), disk.SizeBytes - Math.Min(offset, disk.SizeBytes));
            _ = random.Next(8) switch
            {
                0 => disk.Read(offset, buffer.AsSpan(0, count)),
                1 => disk.Discard(offset, (ulong)count),
                2 => disk.WriteZeroes(offset, (ulong)count, mayUnmap: random.Next(2) == 0),
                3 => disk.Flush(),
                _ => disk.Write(offset, buffer.AsSpan(0, count)),
            };
        }
    }
}
