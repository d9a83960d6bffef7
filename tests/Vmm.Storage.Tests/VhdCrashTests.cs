using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Tools;
using Vmm.Storage.Vhd;

namespace Vmm.Storage.Tests;

/// <summary>Power failures at any moment: what was flushed is there, and nothing else shows through.</summary>
public class VhdCrashTests
{
    private const int DiskBytes = 6 << 20;
    private const int SlotBytes = 64 << 10;

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    [InlineData(4, true)]
    public void Failure_AtAnyMoment_KeepsFlushedData(int seed, bool hasParent)
    {
        Random random = new(seed);
        RecordingFile parent = new([]);
        VhdCreator.Create(parent, new() { SizeBytes = DiskBytes, ForceSize = true }, null, DateTimeOffset.UtcNow);
        byte[] now = new byte[DiskBytes];
        if (hasParent)
        {
            using IDiskImage below = VhdImages.Open(parent, ImageOpenMode.Use, null);
            now.AsSpan(0, DiskBytes / 2).Fill(0xee);
            Assert.Equal(BlockResult.Ok, below.Write(0, now));
        }

        RecordingFile empty = new([]);
        VhdCreator.Create(empty, new() { SizeBytes = DiskBytes, ForceSize = true, BackingFile = hasParent ? "parent" : null }, hasParent ? VhdFooters.Find(parent) : null, DateTimeOffset.UtcNow);
        RecordingFile file = new(empty.Content);
        byte[] flushed = [.. now];
        List<(int Change, byte[] Flushed, byte[] Latest)> marks = [(0, flushed, flushed)];
        using (IDiskImage disk = Open(file, parent))
        {
            for (int step = 0; step < 60; step++)
            {
                Act(random, disk, now, ref flushed);
                marks.Add((file.Changes, flushed, [.. now]));
            }
        }

        for (int failure = 0; failure < 15; failure++)
        {
            int cut = random.Next(file.Changes + 1);
            Judge(file.AfterFailure(cut, () => random.Next(2) == 0), parent, marks, cut, $"seed {seed}, cut {cut}");
        }
    }

    private static IDiskImage Open(RecordingFile file, RecordingFile parent)
        => VhdImages.Open(file, ImageOpenMode.Use, _ => VhdImages.Open(new RecordingFile(parent.Content), ImageOpenMode.Use, null));

    private static void Act(Random random, IDiskImage disk, byte[] now, ref byte[] flushed)
    {
        int slot = random.Next(DiskBytes / SlotBytes) * SlotBytes;
        int bytes = random.Next(6) == 0 ? Math.Min(DiskBytes - slot, 3 << 20) : SlotBytes;
        switch (random.Next(8))
        {
            case 0:
                Assert.Equal(BlockResult.Ok, disk.Flush());
                flushed = [.. now];
                break;
            case 1 or 2:
                Assert.Equal(BlockResult.Ok, disk.WriteZeroes((ulong)slot, (ulong)bytes, mayUnmap: true));
                now.AsSpan(slot, bytes).Clear();
                break;
            default:
                now.AsSpan(slot, SlotBytes).Fill((byte)random.Next(1, 200));
                Assert.Equal(BlockResult.Ok, disk.Write((ulong)slot, now.AsSpan(slot, SlotBytes)));
                break;
        }
    }

    private static void Judge(byte[] content, RecordingFile parent, List<(int Change, byte[] Flushed, byte[] Latest)> marks, int cut, string where)
    {
        int after = marks.FindIndex(m => m.Change > cut);
        if (after < 0) after = marks.Count;
        byte[] flushed = marks[after - 1].Flushed;
        int since = marks.FindIndex(m => ReferenceEquals(m.Flushed, flushed));
        RecordingFile file = new(content);
        byte[] read = new byte[DiskBytes];
        using (IDiskImage disk = Open(file, parent)) Assert.Equal(BlockResult.Ok, disk.Read(0, read));
        ImageCheckResult found = ImageChecker.Check(new RecordingFile(file.Content), ImageFormat.Vhd, ImageRepair.None, null);
        Assert.True(found.Corruptions == 0, $"{where}: {found.FirstError}");
        for (int slot = 0; slot < DiskBytes; slot += SlotBytes)
        {
            // What was there at some time since the flush, or, cut in the middle, zeros of a new block.
            HashSet<byte> could = [.. marks.Skip(since).Take(after - since + 1).Select(m => m.Latest[slot]), flushed[slot]];
            bool isUntouched = could.Count == 1;
            if (!isUntouched) could.Add(0);
            int strange = read.AsSpan(slot, SlotBytes).IndexOfAnyExcept([.. could]);
            Assert.True(strange < 0, $"{where}: something strange at {slot + strange:x}");
        }
    }
}
