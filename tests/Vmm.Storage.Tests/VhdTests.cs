using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Tools;

namespace Vmm.Storage.Tests;

/// <summary>VHD images, with qemu-img as judge where it knows them.</summary>
public class VhdTests
{
    private const int BlockBytes = 2 << 20;

    [Theory]
    [InlineData(1, false, false)]
    [InlineData(2, false, true)]
    [InlineData(3, true, false)]
    [InlineData(4, true, true)]
    [InlineData(5, false, true)]
    [InlineData(6, false, false)]
    public void Image_WorkedOnByUs_ReadsTheSameInQemu(int seed, bool isFixed, bool force)
    {
        Random random = new(seed);
        using TemporaryFolder folder = new();
        string path = folder["disk.vhd"];
        ulong wanted = (ulong)random.Next(1, 16000) * 512;
        DiskImages.CreateVhd(path, new() { SizeBytes = wanted, IsFixed = isFixed, ForceSize = force }).Dispose();
        DiskModel? model = null;
        for (int session = 0; session < 3; session++)
        {
            using IDiskImage disk = DiskImages.Open(path, ImageFormat.Vhd, new() { IgnoreFlush = true });
            Assert.InRange(disk.SizeBytes, wanted, force ? wanted : wanted + (64 * 512 * 17));
            model ??= new DiskModel(random, new byte[disk.SizeBytes]);
            for (int step = 0; step < 40; step++) model.Step(disk);
            model.Verify(disk);
        }

        Compare(path, folder, model!);
        Assert.True(ImageChecker.Check(path, ImageFormat.Vhd, ImageRepair.None, null).IsClean);
    }

    [Theory]
    [InlineData(1, "subformat=dynamic")]
    [InlineData(2, "subformat=dynamic,force_size=on")]
    [InlineData(3, "subformat=fixed")]
    [InlineData(4, "subformat=fixed,force_size=on")]
    public void Image_MadeByQemu_ReadsTheSameAndCanBeWorkedOn(int seed, string options)
    {
        Random random = new(seed);
        using TemporaryFolder folder = new();
        string path = folder["disk.vhd"];
        int size = random.Next(3000, 16000) * 512;
        QemuImg.Run("create", "-q", "-f", "vpc", "-o", options, path, $"{size}");
        QemuImg.Io(path, "vpc", Enumerable.Range(0, 8).Select(_ => $"write -P {random.Next(256)} {random.Next(size / 512 - 300) * 512} {random.Next(1, 300) * 512}"));
        QemuImg.Run("convert", "-f", "vpc", "-O", "raw", path, folder["raw"]);
        DiskModel model = new(random, File.ReadAllBytes(folder["raw"]));
        using (IDiskImage disk = DiskImages.Open(path, ImageFormat.Vhd, new() { ReadOnly = true })) model.Verify(disk);
        Assert.True(ImageChecker.Check(path, ImageFormat.Vhd, ImageRepair.None, null).IsClean);
        using (IDiskImage disk = DiskImages.Open(path, ImageFormat.Vhd, new() { IgnoreFlush = true }))
        {
            for (int step = 0; step < 60; step++) model.Step(disk);
        }

        Compare(path, folder, model);
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(3, false)]
    [InlineData(4, false)]
    public void Resize_UpAndDown_KeepsWhatStaysAndShowsZeros(int seed, bool isFixed)
    {
        Random random = new(seed);
        using TemporaryFolder folder = new();
        string path = folder["disk.vhd"];
        DiskModel model = new(random, new byte[3_000_832]);
        DiskImages.CreateVhd(path, new() { SizeBytes = 3_000_832, IsFixed = isFixed, ForceSize = true }).Dispose();
        for (int round = 0; round < 6; round++)
        {
            using IDiskImage disk = DiskImages.Open(path, ImageFormat.Vhd, new() { IgnoreFlush = true });
            for (int step = 0; step < 20; step++) model.Step(disk);
            model.Resize(disk, random.Next(1, round == 3 ? 700 * 1024 : 20_000) * 512);
            model.Verify(disk);
        }

        Compare(path, folder, model);
        Assert.True(ImageChecker.Check(path, ImageFormat.Vhd, ImageRepair.None, null).IsClean);
    }

    [Fact]
    public void Differencing_RandomWork_ShowsTheParentWhereItIsNotItself()
    {
        Random random = new(9);
        using TemporaryFolder folder = new();
        Directory.CreateDirectory(folder["sub"]);
        byte[] content = MakeParent(folder["sub/below.vhd"], random);
        byte[] before = File.ReadAllBytes(folder["sub/below.vhd"]);
        MakeChild(folder, "top.vhd", "sub/below.vhd");
        DiskModel model = new(random, content);
        for (int session = 0; session < 3; session++)
        {
            using IDiskImage disk = DiskImages.Open(folder["top.vhd"], ImageFormat.Vhd, new() { AllowBacking = true, IgnoreFlush = true });
            for (int step = 0; step < 60; step++) model.Step(disk);
            model.Verify(disk);
        }

        Assert.True(File.ReadAllBytes(folder["sub/below.vhd"]).AsSpan().SequenceEqual(before));
        Assert.True(ImageChecker.Check(folder["top.vhd"], ImageFormat.Vhd, ImageRepair.None, null).IsClean);
        using (IDiskImage top = DiskImages.OpenAlone(folder["top.vhd"], ImageFormat.Vhd))
        using (IDiskImage below = DiskImages.Open(folder["sub/below.vhd"], ImageFormat.Vhd, new()))
        {
            ImageCommitter.Commit(top, below, null);
            model.Verify(below);
        }
    }

    [Fact]
    public void Differencing_ParentNotAllowedOrAnother_IsRefused()
    {
        using TemporaryFolder folder = new();
        MakeParent(folder["below.vhd"], new Random(1));
        MakeChild(folder, "top.vhd", "below.vhd");
        Assert.Contains("must be allowed", Refusal(folder["top.vhd"], new()), StringComparison.Ordinal);
        MakeParent(folder["below.vhd"], new Random(1));
        Assert.Contains("not the disk that it was made for", Refusal(folder["top.vhd"], new() { AllowBacking = true }), StringComparison.Ordinal);
    }

    [Fact]
    public void Resize_Differencing_IsRefusedAndNothingChanges()
    {
        using TemporaryFolder folder = new();
        MakeParent(folder["below.vhd"], new Random(1));
        MakeChild(folder, "top.vhd", "below.vhd");
        byte[] before = File.ReadAllBytes(folder["top.vhd"]);
        using (IDiskImage disk = DiskImages.Open(folder["top.vhd"], ImageFormat.Vhd, new() { AllowBacking = true }))
        {
            ulong size = disk.SizeBytes;
            Assert.Contains("has the size of its parent", Assert.Throws<ImageException>(() => disk.Resize(size + (1 << 20))).Message, StringComparison.Ordinal);
            Assert.Equal(size, disk.SizeBytes);
        }

        Assert.Equal(before, File.ReadAllBytes(folder["top.vhd"]));
    }

    [Fact]
    public void FixedDisk_GuestWritesAFooterInFront_StaysFixed()
    {
        using TemporaryFolder folder = new();
        string path = folder["disk.vhd"];
        DiskImages.CreateVhd(folder["other"], new() { SizeBytes = 4 << 20, ForceSize = true }).Dispose();
        byte[] evil = File.ReadAllBytes(folder["other"])[..2048];
        using (IDiskImage disk = DiskImages.CreateVhd(path, new() { SizeBytes = 1 << 20, IsFixed = true, ForceSize = true })) disk.Write(0, evil);
        using IDiskImage again = DiskImages.Open(path, ImageFormat.Vhd, new());
        byte[] read = new byte[2048];
        Assert.Equal(BlockResult.Ok, again.Read(0, read));
        Assert.Equal(evil, read);
        Assert.Equal(1UL << 20, again.SizeBytes);
    }

    [Fact]
    public void Check_FooterLostAndBlockAstray_IsFoundAndMended()
    {
        using TemporaryFolder folder = new();
        string path = folder["disk.vhd"];
        using (IDiskImage disk = DiskImages.CreateVhd(path, new() { SizeBytes = 8 << 20, ForceSize = true }))
        {
            disk.Write(0, new byte[] { 1 });
            disk.Write(BlockBytes, new byte[] { 2 });
        }

        byte[] bytes = File.ReadAllBytes(path);
        bytes[^400] ^= 1;
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(1536 + 8), 0x123456);
        File.WriteAllBytes(path, bytes);
        ImageCheckResult found = ImageChecker.Check(path, ImageFormat.Vhd, ImageRepair.None, null);
        Assert.Equal(2UL, found.Corruptions);
        Assert.True(ImageChecker.Check(path, ImageFormat.Vhd, ImageRepair.All, null).IsClean);
        using IDiskImage mended = DiskImages.Open(path, ImageFormat.Vhd, new());
        byte[] read = new byte[1];
        mended.Read(BlockBytes, read);
        Assert.Equal(2, read[0]);
    }

    [Theory]
    [InlineData(0, "no VHD image")]
    [InlineData(70, "checksum")]
    [InlineData(512, "no dynamic header")]
    [InlineData(540, "checksum")]
    public void Open_DamagedHeaders_IsRefusedByName(int at, string word)
    {
        using TemporaryFolder folder = new();
        string path = folder["disk.vhd"];
        DiskImages.CreateVhd(path, new() { SizeBytes = 8 << 20 }).Dispose();
        byte[] bytes = File.ReadAllBytes(path);
        bytes[at] ^= 0x55;
        if (at < 512) bytes[bytes.Length - 512 + at] ^= 0x55;
        File.WriteAllBytes(path, bytes);
        Assert.Contains(word, Refusal(path, new()), StringComparison.Ordinal);
    }

    [Fact]
    public void OverlappingBlocks_AreNotWritten()
    {
        using TemporaryFolder folder = new();
        string path = folder["disk.vhd"];
        using (IDiskImage disk = DiskImages.CreateVhd(path, new() { SizeBytes = 8 << 20 })) disk.Write(0, new byte[] { 1 });
        byte[] bytes = File.ReadAllBytes(path);
        bytes.AsSpan(1536, 4).CopyTo(bytes.AsSpan(1540));
        File.WriteAllBytes(path, bytes);
        Assert.Contains("overlaps", Refusal(path, new()), StringComparison.Ordinal);
        using IDiskImage readable = DiskImages.Open(path, ImageFormat.Vhd, new() { ReadOnly = true });
        byte[] read = new byte[1];
        Assert.Equal(BlockResult.Ok, readable.Read(BlockBytes, read));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(68)]
    [InlineData(1000)]
    [InlineData(1 << 20)]
    [InlineData(1 << 30)]
    [InlineData(267_382_800)]
    public void Create_AnySize_HasTheSizeThatQemuGivesIt(long sectors)
    {
        using TemporaryFolder folder = new();
        QemuImg.Run("create", "-q", "-f", "vpc", folder["theirs"], $"{sectors * 512}");
        DiskImages.CreateVhd(folder["ours"], new() { SizeBytes = (ulong)sectors * 512 }).Dispose();
        using IDiskImage theirs = DiskImages.Open(folder["theirs"], ImageFormat.Vhd, new() { ReadOnly = true });
        using IDiskImage ours = DiskImages.Open(folder["ours"], ImageFormat.Vhd, new() { ReadOnly = true });
        Assert.Equal(theirs.SizeBytes, ours.SizeBytes);
        Assert.Contains($"\"virtual-size\": {ours.SizeBytes},", QemuImg.Run("info", "--output=json", "-f", "vpc", folder["ours"]), StringComparison.Ordinal);
    }

    private static string Refusal(string path, ImageOpenOptions options)
        => Assert.Throws<ImageException>(() => DiskImages.Open(path, ImageFormat.Vhd, options).Dispose()).Message;

    private static byte[] MakeParent(string path, Random random)
    {
        using IDiskImage disk = DiskImages.CreateVhd(path, new() { SizeBytes = 5_000_192, ForceSize = true }, ignoreFlush: true);
        DiskModel model = new(random, new byte[5_000_192]);
        for (int step = 0; step < 40; step++) model.Step(disk);
        return model.Content;
    }

    private static void MakeChild(TemporaryFolder folder, string name, string parent)
    {
        IDiskImage below = DiskImages.Open(folder[parent], ImageFormat.Vhd, new() { ReadOnly = true });
        DiskImages.CreateVhd(folder[name], new() { SizeBytes = 0, BackingFile = parent }, below).Dispose();
    }

    private static void Compare(string path, TemporaryFolder folder, DiskModel model)
    {
        QemuImg.Run("convert", "-f", "vpc", "-O", "raw", path, folder["out.raw"]);
        Assert.True(File.ReadAllBytes(folder["out.raw"]).AsSpan().SequenceEqual(model.Content), "qemu-img reads the disk differently");
    }
}
