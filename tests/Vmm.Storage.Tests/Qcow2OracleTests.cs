using Vmm.Storage.Qcow2;
using Vmm.Storage.Tools;

namespace Vmm.Storage.Tests;

/// <summary>Random images made by one side and judged by the other.</summary>
public class Qcow2OracleTests
{
    private static readonly int[] ClusterSizes = [512, 1024, 4096, 16384, 65536, 262144, 2 << 20];

    public static TheoryData<int> Groups() => [.. Enumerable.Range(0, 12)];

    [Theory]
    [MemberData(nameof(Groups))]
    public void Image_WorkedOnByUs_ReadsTheSameInQemuAndIsClean(int group)
    {
        for (int i = 0; i < 5; i++) WorkOnImage(group * 5 + i);
    }

    [Theory]
    [MemberData(nameof(Groups))]
    public void Image_MadeByQemu_ReadsTheSameHere(int group)
    {
        for (int i = 0; i < 4; i++) ReadImage(1000 + group * 4 + i);
    }

    private static void WorkOnImage(int seed)
    {
        Random random = new(seed);
        using TemporaryFolder folder = new();
        string path = folder["disk.qcow2"];
        int size = random.Next(1, 4000) * 512 + random.Next(2) * (2 << 20);
        int version = random.Next(4) == 0 ? 2 : 3;
        Qcow2CreateOptions options = new()
        {
            SizeBytes = (ulong)size,
            Version = version,
            ClusterBytes = ClusterSizes[random.Next(ClusterSizes.Length)],
            RefcountBits = version == 2 ? 16 : 1 << random.Next(7),
            LazyRefcounts = version == 3 && random.Next(2) == 0,
            Compression = version == 3 ? (Qcow2Compression)random.Next(2) : Qcow2Compression.Deflate,
        };
        byte[] content = new byte[size];
        bool hasBacking = random.Next(3) == 0;
        if (hasBacking)
        {
            byte[] below = new byte[random.Next(1, size / 512 + 1) * 512];
            random.NextBytes(below);
            below.AsSpan(below.Length / 2).Clear();
            File.WriteAllBytes(folder["below.raw"], below);
            below.CopyTo(content, 0);
            options = options with { BackingFile = "below.raw", BackingFormat = ImageFormat.Raw };
        }

        DiskModel model = new(random, content);
        Dictionary<string, DiskModel> snapshots = [];
        DiskImages.CreateQcow2(path, options).Dispose();
        for (int session = 0; session < 3; session++)
        {
            using IDiskImage disk = DiskImages.Open(path, ImageFormat.Qcow2, new ImageOpenOptions { AllowBacking = true, IgnoreFlush = true });
            Qcow2Image qcow2 = (Qcow2Image)disk;
            for (int step = 0; step < 25; step++) model.Step(disk);
            Snapshot(random, qcow2, ref model, snapshots, canSnapshot: options.RefcountBits > 2);
            if (random.Next(3) == 0 && (version == 3 || snapshots.Count == 0) && !hasBacking) model.Resize(disk, random.Next(1, 9000) * 512);
            for (int step = 0; step < 10; step++) model.Step(disk);
            model.Verify(disk);
        }

        QemuImg.Run("check", "-q", path);
        Compare(path, folder, model, null);
        foreach ((string name, DiskModel snapshot) in snapshots) Compare(path, folder, snapshot, name);
        using Qcow2Image check = DiskImages.OpenForCheck(path, readOnly: true);
        ImageCheckResult result = check.Check(ImageRepair.None, null);
        Assert.True(result.IsClean, $"seed {seed}: {result.FirstError}");
    }

    private static void Snapshot(Random random, Qcow2Image disk, ref DiskModel model, Dictionary<string, DiskModel> snapshots, bool canSnapshot)
    {
        if (!canSnapshot) return;
        string name = $"snapshot {snapshots.Count}";
        disk.CreateSnapshot(name, DateTimeOffset.UnixEpoch.AddDays(20000));
        snapshots[name] = model.Fork();
        for (int step = 0; step < 10; step++) model.Step(disk);
        switch (random.Next(3))
        {
            case 0:
                disk.DeleteSnapshot(name);
                snapshots.Remove(name);
                break;
            case 1:
                disk.ApplySnapshot(name);
                model = snapshots[name].Fork();
                break;
        }
    }

    private static void Compare(string path, TemporaryFolder folder, DiskModel model, string? snapshot)
    {
        string raw = folder["out.raw"];
        if (snapshot is null) QemuImg.Run("convert", "-f", "qcow2", "-O", "raw", path, raw);
        else QemuImg.Run("convert", "-f", "qcow2", "-l", $"snapshot.name={snapshot}", "-O", "raw", path, raw);
        ReadOnlySpan<byte> read = File.ReadAllBytes(raw);
        // qemu-img shows a snapshot in the size that the disk has now.
        int common = snapshot is null ? read.Length : Math.Min(read.Length, model.Content.Length);
        Assert.True(read[..common].SequenceEqual(snapshot is null ? model.Content : model.Content.AsSpan(0, common)), $"qemu-img reads {snapshot ?? "the disk"} differently");
        if (snapshot is null) return;
        using IDiskImage ours = DiskImages.Open(path, ImageFormat.Qcow2, new ImageOpenOptions { ReadOnly = true, AllowBacking = true });
        ((Qcow2Image)ours).ShowSnapshot(snapshot);
        model.Verify(ours);
    }

    private static void ReadImage(int seed)
    {
        Random random = new(seed);
        using TemporaryFolder folder = new();
        string path = folder["disk.qcow2"];
        int size = random.Next(100, 9000) * 512;
        bool hasSubclusters = random.Next(4) == 0;
        bool isVersion2 = !hasSubclusters && random.Next(4) == 0;
        int cluster = hasSubclusters ? 16384 << random.Next(4) : ClusterSizes[random.Next(ClusterSizes.Length)];
        string form = isVersion2 ? $"compat=0.10,cluster_size={cluster}"
            : $"compat=1.1,cluster_size={cluster},extended_l2={(hasSubclusters ? "on" : "off")},compression_type={(random.Next(2) == 0 ? "zstd" : "zlib")}" +
              $",lazy_refcounts={(random.Next(2) == 0 ? "on" : "off")},refcount_bits={1 << random.Next(3, 7)}";
        byte[] source = new byte[size];
        // Compressible, with holes.
        for (int at = 0; at < size; at += 4096) source.AsSpan(at, Math.Min(4096, size - at)).Fill((byte)(random.Next(3) == 0 ? 0 : random.Next(256)));
        random.NextBytes(source.AsSpan(0, size / 3));
        File.WriteAllBytes(folder["source.raw"], source);
        string[] compress = random.Next(2) == 0 ? ["-c"] : [];
        QemuImg.Run(["convert", .. compress, "-f", "raw", "-O", "qcow2", "-o", form, folder["source.raw"], path]);
        if (random.Next(2) == 0)
        {
            File.Move(path, folder["below.qcow2"]);
            QemuImg.Run("create", "-q", "-f", "qcow2", "-b", "below.qcow2", "-F", "qcow2", "-o", form, path, $"{size + random.Next(2) * 65536}");
        }

        if (random.Next(2) == 0) QemuImg.Run("snapshot", "-c", "first", path);
        List<string> commands = [];
        for (int i = 0; i < 12; i++)
        {
            int offset = random.Next(size / 512) * 512;
            int count = Math.Min(random.Next(1, 200) * 512, size - offset);
            commands.Add(random.Next(4) switch
            {
                0 => $"discard {offset} {count}",
                1 => $"write -z -u {offset} {count}",
                _ => $"write -P {random.Next(256)} {offset} {count}",
            });
        }

        QemuImg.Io(path, "qcow2", commands);
        QemuImg.Run("convert", "-f", "qcow2", "-O", "raw", path, folder["out.raw"]);
        using (IDiskImage disk = DiskImages.Open(path, ImageFormat.Qcow2, new ImageOpenOptions { ReadOnly = true, AllowBacking = true }))
        {
            new DiskModel(random, File.ReadAllBytes(folder["out.raw"])).Verify(disk);
        }

        using (Qcow2Image check = DiskImages.OpenForCheck(path, readOnly: true))
        {
            ImageCheckResult result = check.Check(ImageRepair.None, null);
            Assert.True(result.IsClean, $"seed {seed}: {result.FirstError}");
        }

        if (hasSubclusters) return;
        DiskModel model = new(random, File.ReadAllBytes(folder["out.raw"]));
        using (IDiskImage disk = DiskImages.Open(path, ImageFormat.Qcow2, new ImageOpenOptions { AllowBacking = true, IgnoreFlush = true }))
        {
            for (int step = 0; step < 30; step++) model.Step(disk);
        }

        QemuImg.Run("check", "-q", path);
        Compare(path, folder, model, null);
    }
}
