using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Qcow2;
using Vmm.Storage.Tools;

namespace Vmm.Storage.Tests;

/// <summary>Power failures at any moment: leaks at most, and what was flushed is there.</summary>
public class Qcow2CrashTests
{
    private const int DiskBytes = 1 << 20;
    private const int SlotBytes = 8192;

    [Theory]
    [InlineData(1, 512, 16)]
    [InlineData(2, 4096, 16)]
    [InlineData(3, 65536, 16)]
    [InlineData(4, 512, 64)]
    [InlineData(5, 1024, 1)]
    public void Failure_AtAnyMoment_LeavesLeaksAtMostAndFlushedData(int seed, int clusterBytes, int refcountBits)
    {
        Random random = new(seed);
        RecordingFile file = NewImage(clusterBytes, refcountBits);
        List<(int Change, byte[] Flushed, byte[] Latest)> marks = [(0, new byte[DiskBytes], new byte[DiskBytes])];
        using (IDiskImage disk = DiskImages.OpenQcow2(file, null))
        {
            byte[] now = new byte[DiskBytes];
            byte[] flushed = new byte[DiskBytes];
            for (int step = 0; step < 120; step++)
            {
                Act(random, disk, now, ref flushed);
                marks.Add((file.Changes, flushed, [.. now]));
            }
        }

        for (int failure = 0; failure < 40; failure++)
        {
            int cut = random.Next(file.Changes + 1);
            byte[] content = file.AfterFailure(cut, () => random.Next(2) == 0);
            Judge(content, marks, cut, $"seed {seed}, cut {cut}");
        }
    }

    private static void Act(Random random, IDiskImage disk, byte[] now, ref byte[] flushed)
    {
        int slot = random.Next(DiskBytes / SlotBytes) * SlotBytes;
        switch (random.Next(8))
        {
            case 0:
                Assert.Equal(BlockResult.Ok, disk.Flush());
                flushed = [.. now];
                break;
            case 1:
                Assert.Equal(BlockResult.Ok, disk.WriteZeroes((ulong)slot, SlotBytes, mayUnmap: true));
                now.AsSpan(slot, SlotBytes).Clear();
                break;
            default:
                // One value in each slot: old, new and zero can be told apart.
                now.AsSpan(slot, SlotBytes).Fill((byte)random.Next(1, 256));
                Assert.Equal(BlockResult.Ok, disk.Write((ulong)slot, now.AsSpan(slot, SlotBytes)));
                break;
        }
    }

    private static void Judge(byte[] content, List<(int Change, byte[] Flushed, byte[] Latest)> marks, int cut, string where)
    {
        // The last flush that had ended for certain, and everything that was asked since then.
        int after = marks.FindIndex(m => m.Change > cut);
        if (after < 0) after = marks.Count;
        byte[] flushed = marks[after - 1].Flushed;
        int since = marks.FindIndex(m => ReferenceEquals(m.Flushed, flushed));
        RecordingFile file = new(content);
        using (Qcow2Image check = new(file, Qcow2Header.Read(file), null, Qcow2OpenMode.Check))
        {
            ImageCheckResult found = check.Check(ImageRepair.None, null);
            Assert.True(found.Corruptions == 0, $"{where}: {string.Join("; ", found.Messages.Where(m => m.StartsWith("ERROR", StringComparison.Ordinal)).Take(3))}");
            Assert.True(check.Check(ImageRepair.Leaks, null).IsClean, where);
        }

        using IDiskImage disk = DiskImages.OpenQcow2(new RecordingFile(file.Content), null);
        byte[] read = new byte[DiskBytes];
        Assert.Equal(BlockResult.Ok, disk.Read(0, read));
        for (int slot = 0; slot < DiskBytes; slot += SlotBytes)
        {
            bool isUntouched = marks.Skip(since).Take(after - since + 1).All(m => m.Latest[slot] == flushed[slot]);
            if (isUntouched) Assert.True(read.AsSpan(slot, SlotBytes).SequenceEqual(flushed.AsSpan(slot, SlotBytes)), $"{where}: flushed data is lost at {slot:x}");
        }
    }

    private static RecordingFile NewImage(int clusterBytes, int refcountBits)
    {
        RecordingFile empty = new([]);
        Qcow2Creator.Create(empty, new Qcow2CreateOptions { SizeBytes = DiskBytes, ClusterBytes = clusterBytes, RefcountBits = refcountBits });
        return new RecordingFile(empty.Content);
    }
}
