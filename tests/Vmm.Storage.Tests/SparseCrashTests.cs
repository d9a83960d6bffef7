using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Tools;
using Vmm.Storage.Vhd;
using Vmm.Storage.Vmdk;

namespace Vmm.Storage.Tests;

/// <summary>Power failures of VHD and VMDK images at any moment: what was flushed is there, and nothing else shows through.</summary>
public class SparseCrashTests
{
    private const int DiskBytes = 6 << 20;
    private const int SlotBytes = 64 << 10;

    [Theory]
    [InlineData(1, ImageFormat.Vhd, false)]
    [InlineData(2, ImageFormat.Vhd, false)]
    [InlineData(3, ImageFormat.Vhd, true)]
    [InlineData(4, ImageFormat.Vhd, true)]
    [InlineData(5, ImageFormat.Vmdk, false)]
    [InlineData(6, ImageFormat.Vmdk, false)]
    [InlineData(7, ImageFormat.Vmdk, true)]
    public void Failure_AtAnyMoment_KeepsFlushedData(int seed, ImageFormat format, bool hasParent)
    {
        Random random = new(seed);
        RecordingFile? parent = hasParent ? Create(format, null) : null;
        byte[] now = new byte[DiskBytes];
        if (parent is not null)
        {
            using IDiskImage below = Open(format, parent, null);
            now.AsSpan(0, DiskBytes / 2).Fill(0xee);
            Assert.Equal(BlockResult.Ok, below.Write(0, now));
        }

        RecordingFile file = new(Create(format, parent).Content);
        byte[] flushed = [.. now];
        List<(int Change, byte[] Flushed, byte[] Latest)> marks = [(0, flushed, flushed)];
        using (IDiskImage disk = Open(format, file, parent))
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
            Judge(format, file.AfterFailure(cut, () => random.Next(2) == 0), parent, marks, cut, $"seed {seed}, cut {cut}");
        }
    }

    // Within the last table, and so far that the directory moves.
    [Theory]
    [InlineData(1, ImageFormat.Vhd, 7 << 20)]
    [InlineData(2, ImageFormat.Vhd, 70 << 20)]
    [InlineData(3, ImageFormat.Vmdk, 7 << 20)]
    [InlineData(4, ImageFormat.Vmdk, 70 << 20)]
    public void Failure_WhileTheDiskGrows_HasOneOfTheSizesAndAllThatWasFlushed(int seed, ImageFormat format, int newBytes)
    {
        Random random = new(seed);
        RecordingFile file = new(Create(format, null).Content);
        byte[] content = new byte[DiskBytes];
        random.NextBytes(content);
        int begun, ended;
        using (IDiskImage disk = Open(format, file, null))
        {
            Assert.Equal(BlockResult.Ok, disk.Write(0, content));
            Assert.Equal(BlockResult.Ok, disk.Flush());
            begun = file.Changes;
            disk.Resize((ulong)newBytes);
            ended = file.Changes;
        }

        HashSet<ulong> sizes = [];
        for (int failure = 0; failure < 3 * (ended - begun + 1); failure++)
        {
            RecordingFile after = new(file.AfterFailure(begun + failure / 3, () => random.Next(2) == 0));
            byte[] read = new byte[DiskBytes];
            using (IDiskImage disk = Open(format, after, null))
            {
                sizes.Add(disk.SizeBytes);
                Assert.Equal(BlockResult.Ok, disk.Read(0, read));
                if (disk.SizeBytes == (ulong)newBytes)
                {
                    byte[] last = new byte[1 << 20];
                    Assert.Equal(BlockResult.Ok, disk.Read((ulong)newBytes - (1 << 20), last));
                    Assert.Equal(-1, last.AsSpan().IndexOfAnyExcept((byte)0));
                }
            }

            Assert.True(read.AsSpan().SequenceEqual(content), $"seed {seed}, failure {failure}");
            ImageCheckResult found = ImageChecker.Check(new RecordingFile(after.Content), format, ImageRepair.None, null);
            Assert.True(found.Corruptions == 0, $"seed {seed}, failure {failure}: {found.FirstError}");
        }

        Assert.True(sizes.SetEquals([DiskBytes, (ulong)newBytes]));
    }

    private static RecordingFile Create(ImageFormat format, RecordingFile? parent)
    {
        RecordingFile file = new([]);
        string? name = parent is null ? null : "parent";
        if (format == ImageFormat.Vhd)
        {
            VhdCreator.Create(file, new() { SizeBytes = DiskBytes, ForceSize = true, BackingFile = name }, parent is null ? null : VhdFooters.Find(parent), DateTimeOffset.UtcNow);
            return file;
        }

        using IDiskImage? below = parent is null ? null : Open(format, new RecordingFile(parent.Content), null);
        VmdkCreator.Create(file, new() { SizeBytes = DiskBytes, BackingFile = name }, (below as IVmdkImage)?.Descriptor);
        return file;
    }

    private static IDiskImage Open(ImageFormat format, RecordingFile file, RecordingFile? parent)
    {
        Func<string, IDiskImage>? below = parent is null ? null : _ => Open(format, new RecordingFile(parent.Content), null);
        return format == ImageFormat.Vhd ? VhdImages.Open(file, ImageOpenMode.Use, below)
            : VmdkImages.Open(file, ImageOpenMode.Use, below, name => throw new ImageException(name));
    }

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

    private static void Judge(ImageFormat format, byte[] content, RecordingFile? parent, List<(int Change, byte[] Flushed, byte[] Latest)> marks, int cut, string where)
    {
        int after = marks.FindIndex(m => m.Change > cut);
        if (after < 0) after = marks.Count;
        byte[] flushed = marks[after - 1].Flushed;
        int since = marks.FindIndex(m => ReferenceEquals(m.Flushed, flushed));
        RecordingFile file = new(content);
        byte[] read = new byte[DiskBytes];
        using (IDiskImage disk = Open(format, file, parent)) Assert.Equal(BlockResult.Ok, disk.Read(0, read));
        ImageCheckResult found = ImageChecker.Check(new RecordingFile(file.Content), format, ImageRepair.None, null);
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
