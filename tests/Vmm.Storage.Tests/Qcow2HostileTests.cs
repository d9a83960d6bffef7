using System.Buffers.Binary;
using System.Diagnostics;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Qcow2;
using Vmm.Storage.Tools;

namespace Vmm.Storage.Tests;

/// <summary>Images that lie: clear errors, in bounded time and memory, and never an exception out of a request.</summary>
public class Qcow2HostileTests
{
    private static readonly long[] Evil = [0, 1, -1, 0x200, 0x10000, 0x7fff_ffff_ffff_ffff, 1L << 55, 1L << 62, 1L << 63, (1L << 62) | 0x1ff, 0x30000];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void MutatedImage_AnyRequest_EndsWithAValueOrOneError(int seed)
    {
        Random random = new(seed);
        byte[] good = Sample(random, seed % 2 == 0 ? 512 : 65536);
        Stopwatch watch = Stopwatch.StartNew();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < 120; round++)
        {
            byte[] bytes = [.. good];
            for (int i = random.Next(1, 4); i > 0; i--) Mutate(random, bytes);
            try
            {
                Use(random, bytes);
            }
            catch (ImageException e)
            {
                Assert.NotEmpty(e.Message);
            }
        }

        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(60), $"{watch.Elapsed}");
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 120L * (64 << 20), "an image made us allocate too much");
    }

    [Fact]
    public void DataOverlappingATable_IsNotWritten()
    {
        byte[] bytes = Sample(new Random(7), 65536);
        RecordingFile file = new(bytes);
        Qcow2Header header = Qcow2Header.Read(file);
        ulong l1 = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan((int)header.L1Offset));
        int entry = (int)(l1 & Qcow2Bits.OffsetMask);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(entry), header.RefcountTableOffset | Qcow2Bits.Copied);
        file = new RecordingFile(bytes);
        using IDiskImage disk = DiskImages.OpenQcow2(file, null);
        Assert.Equal(BlockResult.Corrupt, disk.Write(0, new byte[512]));
        Assert.Equal(BlockResult.Corrupt, disk.Write(1 << 19, new byte[512]));
        Assert.True(file.Content.AsSpan((int)header.RefcountTableOffset, 65536).SequenceEqual(bytes.AsSpan((int)header.RefcountTableOffset, 65536)));
        Assert.NotEqual(Qcow2Incompatible.None, Qcow2Header.Read(file).Incompatible & Qcow2Incompatible.Corrupt);
    }

    [Fact]
    public void RefcountsOfZero_AreMendedByRepair()
    {
        byte[] bytes = Sample(new Random(8), 512);
        Qcow2Header header = Qcow2Header.Read(new RecordingFile(bytes));
        int block = (int)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan((int)header.RefcountTableOffset));
        bytes.AsSpan(block, 512).Clear();
        RecordingFile file = new(bytes);
        byte[] before = new byte[1 << 20];
        using (Qcow2Image check = new(file, Qcow2Header.Read(file), null, Qcow2OpenMode.Check))
        {
            check.Read(0, before);
            Assert.NotEqual(0UL, check.Check(ImageRepair.None, null).Corruptions);
            ImageCheckResult mended = check.Check(ImageRepair.All, null);
            Assert.True(mended.IsClean, mended.FirstError);
        }

        using IDiskImage disk = DiskImages.OpenQcow2(new RecordingFile(file.Content), null);
        byte[] after = new byte[1 << 20];
        Assert.Equal(BlockResult.Ok, disk.Read(0, after));
        Assert.True(after.AsSpan().SequenceEqual(before));
    }

    private static void Use(Random random, byte[] bytes)
    {
        RecordingFile file = new(bytes);
        using (Qcow2Image check = new(file, Qcow2Header.Read(file), null, Qcow2OpenMode.Check))
        {
            check.Check(random.Next(2) == 0 ? ImageRepair.None : ImageRepair.All, null);
        }

        using IDiskImage disk = DiskImages.OpenQcow2(new RecordingFile(file.Content), null);
        byte[] buffer = new byte[70_000];
        for (int i = 0; i < 20; i++)
        {
            ulong offset = (ulong)random.NextInt64((long)Math.Max(1, Math.Min(disk.SizeBytes, 1 << 21)));
            int count = (int)Math.Min((ulong)random.Next(1, buffer.Length), disk.SizeBytes - Math.Min(offset, disk.SizeBytes));
            _ = random.Next(4) switch
            {
                0 => disk.Read(offset, buffer.AsSpan(0, count)),
                1 => disk.Discard(offset, (ulong)count),
                2 => disk.Flush(),
                _ => disk.Write(offset, buffer.AsSpan(0, count)),
            };
        }
    }

    // Mostly where the tables are: the header, and the eight bytes of an entry.
    private static void Mutate(Random random, byte[] bytes)
    {
        int at = random.Next(3) == 0 ? random.Next(112) : random.Next(bytes.Length / 8) * 8;
        if (random.Next(2) == 0 || at + 8 > bytes.Length) bytes[at] = (byte)random.Next(256);
        else BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(at), Evil[random.Next(Evil.Length)] ^ (random.Next(2) == 0 ? 0 : random.NextInt64(1 << 20)));
    }

    private static byte[] Sample(Random random, int clusterBytes)
    {
        RecordingFile file = new([]);
        Qcow2Creator.Create(file, new Qcow2CreateOptions { SizeBytes = 1 << 20, ClusterBytes = clusterBytes });
        using (IDiskImage disk = DiskImages.OpenQcow2(file, null))
        {
            byte[] data = new byte[40_000];
            random.NextBytes(data);
            Assert.Equal(BlockResult.Ok, disk.Write(0, data));
            Assert.Equal(BlockResult.Ok, disk.Write(300_000, data));
            ((Qcow2Image)disk).CreateSnapshot("one", DateTimeOffset.UnixEpoch);
            Assert.Equal(BlockResult.Ok, disk.Write(10_000, data));
        }

        return file.Content;
    }
}
