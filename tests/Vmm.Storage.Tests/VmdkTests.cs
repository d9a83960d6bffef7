using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Tools;

namespace Vmm.Storage.Tests;

/// <summary>VMDK images, with qemu-img as judge.</summary>
public class VmdkTests
{
    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(3, false)]
    [InlineData(4, true)]
    public void Image_WorkedOnByUs_ReadsTheSameInQemuAndIsClean(int seed, bool zeroedGrains)
    {
        Random random = new(seed);
        using TemporaryFolder folder = new();
        string path = folder["disk.vmdk"];
        int size = random.Next(1, 90_000) * 512;
        DiskImages.CreateVmdk(path, new() { SizeBytes = (ulong)size, ZeroedGrains = zeroedGrains }).Dispose();
        DiskModel model = new(random, new byte[size]);
        for (int session = 0; session < 3; session++)
        {
            using IDiskImage disk = DiskImages.Open(path, ImageFormat.Vmdk, new() { IgnoreFlush = true });
            for (int step = 0; step < 50; step++) model.Step(disk);
            model.Verify(disk);
        }

        Compare(path, folder, model);
        QemuImg.Run("check", "-q", "-f", "vmdk", path);
        ImageCheckResult found = ImageChecker.Check(path, ImageFormat.Vmdk, ImageRepair.None, null);
        Assert.True(found.IsClean, found.FirstError);
    }

    [Theory]
    [InlineData(1, "subformat=monolithicSparse")]
    [InlineData(2, "subformat=monolithicSparse,zeroed_grain=on")]
    [InlineData(3, "subformat=monolithicFlat")]
    [InlineData(4, "subformat=twoGbMaxExtentSparse")]
    [InlineData(5, "subformat=twoGbMaxExtentFlat")]
    [InlineData(6, "subformat=streamOptimized")]
    public void Image_MadeByQemu_ReadsTheSameAndCanBeWorkedOn(int seed, string options)
    {
        Random random = new(seed);
        using TemporaryFolder folder = new();
        string path = folder["disk.vmdk"];
        byte[] source = new byte[random.Next(3000, 16000) * 512];
        for (int at = 0; at < source.Length; at += 100_000) random.NextBytes(source.AsSpan(at, Math.Min(random.Next(100_000), source.Length - at)));
        source.AsSpan(source.Length / 3, source.Length / 3).Clear();
        File.WriteAllBytes(folder["raw"], source);
        QemuImg.Run("convert", "-f", "raw", "-O", "vmdk", "-o", options, folder["raw"], path);
        DiskModel model = new(random, source);
        using (IDiskImage disk = DiskImages.Open(path, ImageFormat.Vmdk, new() { ReadOnly = true, AllowBacking = true })) model.Verify(disk);
        if (options.Contains("stream", StringComparison.Ordinal))
        {
            Assert.Contains("can only be read", Refusal(path, new()), StringComparison.Ordinal);
            Assert.True(ImageChecker.Check(path, ImageFormat.Vmdk, ImageRepair.None, null).IsClean);
            return;
        }

        using (IDiskImage disk = DiskImages.Open(path, ImageFormat.Vmdk, new() { AllowBacking = true, IgnoreFlush = true }))
        {
            for (int step = 0; step < 60; step++) model.Step(disk);
        }

        Compare(path, folder, model);
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(3, 7000)]
    [InlineData(4, 80_001)]
    public void Stream_MadeByUs_ReadsTheSame(int seed, int sectors)
    {
        Random random = new(seed);
        using TemporaryFolder folder = new();
        byte[] source = new byte[sectors * 512];
        for (int at = 0; at + 300_000 < source.Length; at += 700_000)
        {
            random.NextBytes(source.AsSpan(at, 150_000));
            source.AsSpan(at + 150_000, 150_000).Fill((byte)seed);
        }

        File.WriteAllBytes(folder["raw"], source);
        using (IDiskImage raw = DiskImages.Open(folder["raw"], ImageFormat.Raw, new() { ReadOnly = true }))
            ImageConverter.CopyToStream(raw, folder["disk.vmdk"], new() { SizeBytes = raw.SizeBytes }, ignoreFlush: true, null);
        Compare(folder["disk.vmdk"], folder, new DiskModel(random, source));
        using IDiskImage disk = DiskImages.Open(folder["disk.vmdk"], ImageFormat.Vmdk, new() { ReadOnly = true });
        new DiskModel(random, source).Verify(disk);
        if (sectors > 5000) Assert.True(new FileInfo(folder["disk.vmdk"]).Length < source.Length / 2);
    }

    [Fact]
    public void Child_RandomWork_ShowsTheParentWhereItIsNotItself()
    {
        using TemporaryFolder folder = new();
        Random random = new(9);
        File.WriteAllBytes(folder["source"], RandomContent(random, 5_000_192));
        QemuImg.Run("convert", "-f", "raw", "-O", "vmdk", folder["source"], folder["below.vmdk"]);
        QemuImg.Run("create", "-q", "-f", "vmdk", "-b", "below.vmdk", "-F", "vmdk", folder["theirs.vmdk"]);
        using (IDiskImage below = DiskImages.Open(folder["below.vmdk"], ImageFormat.Vmdk, new() { ReadOnly = true }))
            DiskImages.CreateVmdk(folder["ours.vmdk"], new() { SizeBytes = below.SizeBytes, BackingFile = "below.vmdk" }, below).Dispose();
        foreach (string name in new[] { "ours.vmdk", "theirs.vmdk" })
        {
            DiskModel model = new(random, File.ReadAllBytes(folder["source"]));
            for (int session = 0; session < 2; session++)
            {
                using IDiskImage disk = DiskImages.Open(folder[name], ImageFormat.Vmdk, new() { AllowBacking = true, IgnoreFlush = true });
                for (int step = 0; step < 50; step++) model.Step(disk);
                model.Verify(disk);
            }

            Compare(folder[name], folder, model);
        }

        Assert.Contains("must be allowed", Refusal(folder["ours.vmdk"], new()), StringComparison.Ordinal);
        using (IDiskImage below = DiskImages.Open(folder["below.vmdk"], ImageFormat.Vmdk, new())) below.Write(0, new byte[] { 1 });
        Assert.Contains("content ID", Refusal(folder["ours.vmdk"], new() { AllowBacking = true }), StringComparison.Ordinal);
        QemuImg.Run("check", "-q", "-f", "vmdk", folder["below.vmdk"]);
    }

    // qemu-img writes the number without leading zeros.
    [Theory]
    [InlineData("7b8695e")]
    [InlineData("0")]
    public void Change_ContentIdOfFewDigits_IsAnotherAfterwards(string cid)
    {
        using TemporaryFolder folder = new();
        QemuImg.Run("create", "-q", "-f", "vmdk", folder["disk.vmdk"], "1M");
        using (FileStream file = File.Open(folder["disk.vmdk"], FileMode.Open))
        {
            byte[] text = new byte[2048];
            file.Position = 512;
            file.ReadExactly(text);
            string changed = Regex.Replace(Encoding.Latin1.GetString(text), "\nCID=[0-9a-f]+", $"\nCID={cid}").PadRight(text.Length, '\0');
            file.Position = 512;
            file.Write(Encoding.Latin1.GetBytes(changed).AsSpan(0, text.Length));
        }

        using (IDiskImage disk = DiskImages.Open(folder["disk.vmdk"], ImageFormat.Vmdk, new())) disk.Write(0, new byte[] { 1 });
        Assert.NotEqual($"CID={cid}", Cid(folder["disk.vmdk"]));
        QemuImg.Run("check", "-q", "-f", "vmdk", folder["disk.vmdk"]);
    }

    [Theory]
    [InlineData("RW 8192 FLAT \"../secret\" 0", "no name of a file beside it")]
    [InlineData("RW 8192 FLAT \"/etc/passwd\" 0", "no name of a file beside it")]
    [InlineData("RW 8192 FLAT \"disk.raw\" 1", "smaller than its part")]
    [InlineData("RW 8193 FLAT \"disk.raw\" 0", "smaller than its part")]
    [InlineData("RW 8192 FLAT \"disk.raw", "no extent")]
    [InlineData("RW x FLAT \"disk.raw\"", "no extent")]
    [InlineData("RW 99999999999999999999 ZERO", "no extent")]
    [InlineData("RW 8192 DEVICE \"disk.raw\"", "not supported")]
    [InlineData("NOACCESS 8192 FLAT \"disk.raw\" 0", "NOACCESS")]
    public void Descriptor_ThatIsHostile_IsRefused(string extent, string word)
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder["disk.raw"], new byte[4 << 20]);
        File.WriteAllText(folder["disk.vmdk"], $"# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n{extent}\n");
        Assert.Contains(word, Refusal(folder["disk.vmdk"], new() { AllowBacking = true }), StringComparison.Ordinal);
    }

    [Fact]
    public void Descriptor_OtherFilesNotAllowed_IsRefused()
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder["disk.raw"], new byte[4 << 20]);
        File.WriteAllText(folder["disk.vmdk"], "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 8192 FLAT \"disk.raw\" 0\nRW 8 ZERO\n");
        Assert.Contains("must be allowed", Refusal(folder["disk.vmdk"], new()), StringComparison.Ordinal);
        using IDiskImage disk = DiskImages.Open(folder["disk.vmdk"], ImageFormat.Vmdk, new() { AllowBacking = true });
        Assert.Equal((8192UL + 8) * 512, disk.SizeBytes);
        Assert.Equal(BlockResult.NotSupported, disk.Write(8192 * 512, new byte[1]));
        Assert.Equal(BlockResult.Ok, disk.WriteZeroes(8191 * 512, 1024, mayUnmap: true));
    }

    [Fact]
    public void Check_CopyDiffersAndGrainAstray_IsFoundAndMended()
    {
        using TemporaryFolder folder = new();
        string path = folder["disk.vmdk"];
        using (IDiskImage disk = DiskImages.CreateVmdk(path, new() { SizeBytes = 8 << 20 }))
        {
            disk.Write(0, new byte[] { 1 });
            disk.Write(65536, new byte[] { 2 });
        }

        byte[] bytes = File.ReadAllBytes(path);
        int directory = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(56)) * 512;
        int table = (int)BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(directory)) * 512;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(table), 0x7fff_0000);
        File.WriteAllBytes(path, bytes);
        ImageCheckResult found = ImageChecker.Check(path, ImageFormat.Vmdk, ImageRepair.None, null);
        Assert.Equal((1UL, 1UL), (found.Corruptions, found.Leaks));
        Assert.True(ImageChecker.Check(path, ImageFormat.Vmdk, ImageRepair.All, null).IsClean);
        using IDiskImage mended = DiskImages.Open(path, ImageFormat.Vmdk, new());
        byte[] read = new byte[1];
        mended.Read(65536, read);
        Assert.Equal(2, read[0]);
    }

    [Theory]
    [InlineData(0, 0, "no VMDK image")]
    [InlineData(4, 9, "version 9")]
    [InlineData(20, 3, "no power of two")]
    [InlineData(75, 7, "line ends")]
    [InlineData(44, 1000, "entries")]
    [InlineData(56, 0x7fff_ffff, "directory")]
    [InlineData(36, 0x7fff_ffff, "descriptor")]
    public void Open_HostileHeaders_AreRefusedByName(int at, int value, string word)
    {
        using TemporaryFolder folder = new();
        string path = folder["disk.vmdk"];
        DiskImages.CreateVmdk(path, new() { SizeBytes = 8 << 20 }).Dispose();
        byte[] bytes = File.ReadAllBytes(path);
        if (at == 75) bytes[at] = (byte)value;
        else BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at), value);
        File.WriteAllBytes(path, bytes);
        Assert.Contains(word, Refusal(path, new()), StringComparison.Ordinal);
    }

    [Fact]
    public void Write_FirstOfASession_ChangesTheContentId()
    {
        using TemporaryFolder folder = new();
        string path = folder["disk.vmdk"];
        DiskImages.CreateVmdk(path, new() { SizeBytes = 1 << 20 }).Dispose();
        string before = Cid(path);
        using (IDiskImage disk = DiskImages.Open(path, ImageFormat.Vmdk, new())) disk.Flush();
        Assert.Equal(before, Cid(path));
        using (IDiskImage disk = DiskImages.Open(path, ImageFormat.Vmdk, new())) disk.Write(0, new byte[1]);
        Assert.NotEqual(before, Cid(path));
    }

    // 32 MiB have one grain table, and 4 GiB one sector of the directory.
    [Theory]
    [InlineData(1, false, "")]
    [InlineData(2, true, "")]
    [InlineData(3, false, "subformat=monolithicSparse")]
    public void Resize_Up_KeepsWhatIsThereAndShowsZeros(int seed, bool zeroedGrains, string madeByQemu)
    {
        Random random = new(seed);
        using TemporaryFolder folder = new();
        string path = folder["disk.vmdk"];
        DiskModel model = new(random, new byte[3_000_832]);
        if (madeByQemu.Length != 0) QemuImg.Run("create", "-q", "-f", "vmdk", "-o", madeByQemu, path, "3000832");
        else DiskImages.CreateVmdk(path, new() { SizeBytes = 3_000_832, ZeroedGrains = zeroedGrains }).Dispose();
        string cid = Cid(path);
        foreach (int sectors in (int[])[6000, 6001, 100_000, 100_128, 200_000])
        {
            using IDiskImage disk = DiskImages.Open(path, ImageFormat.Vmdk, new() { IgnoreFlush = true });
            for (int step = 0; step < 20; step++) model.Step(disk);
            model.Resize(disk, sectors * 512);
            model.Verify(disk);
            for (int step = 0; step < 20; step++) model.Step(disk);
        }

        Assert.NotEqual(cid, Cid(path));
        Assert.Contains("\nRW 200000 SPARSE \"disk.vmdk\"", Encoding.Latin1.GetString(File.ReadAllBytes(path), 512, 10 * 1024), StringComparison.Ordinal);
        Compare(path, folder, model);
        QemuImg.Run("check", "-q", "-f", "vmdk", path);
        ImageCheckResult found = ImageChecker.Check(path, ImageFormat.Vmdk, ImageRepair.None, null);
        Assert.True(found.IsClean, found.FirstError);
        // The other program finds tables for what is new.
        QemuImg.Io(path, "vmdk", [$"write -P 9 {(200_000 - 64) * 512} 32k"]);
        using IDiskImage again = DiskImages.Open(path, ImageFormat.Vmdk, new() { ReadOnly = true });
        byte[] read = new byte[32 << 10];
        Assert.Equal(BlockResult.Ok, again.Read((200_000 - 64) * 512, read));
        Assert.Equal(-1, read.AsSpan().IndexOfAnyExcept((byte)9));
    }

    [Fact]
    public void Resize_FarUp_TakesLittleRoomAndReadsTheSame()
    {
        using TemporaryFolder folder = new();
        string path = folder["disk.vmdk"];
        DiskImages.CreateVmdk(path, new() { SizeBytes = 1 << 20 }).Dispose();
        using (IDiskImage disk = DiskImages.Open(path, ImageFormat.Vmdk, new()))
        {
            Assert.Equal(BlockResult.Ok, disk.Write(0, new byte[] { 7 }));
            disk.Resize(1UL << 40);
            Assert.Equal(BlockResult.Ok, disk.Write((1UL << 40) - 1, new byte[] { 8 }));
            Assert.InRange(disk.AllocatedBytes, 0UL, 2UL << 20);
            Assert.Contains("cannot hold", Assert.Throws<ImageException>(() => disk.Resize(1UL << 50)).Message, StringComparison.Ordinal);
        }

        Assert.True(ImageChecker.Check(path, ImageFormat.Vmdk, ImageRepair.None, null).IsClean);
        QemuImg.Io(path, "vmdk", ["read -P 7 0 1", $"read -P 8 {(1UL << 40) - 1} 1", $"write -P 9 {1UL << 39} 64k"]);
    }

    [Theory]
    [InlineData("smaller", "can only grow")]
    [InlineData("odd", "whole number")]
    [InlineData("child", "has a parent")]
    [InlineData("extents", "several files")]
    public void Resize_ThatCannotBe_RefusedAndNothingChanges(string what, string expected)
    {
        using TemporaryFolder folder = new();
        string path = folder["disk.vmdk"];
        DiskImages.CreateVmdk(folder["below.vmdk"], new() { SizeBytes = 1 << 20 }).Dispose();
        if (what == "extents") QemuImg.Run("create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", path, "1M");
        else if (what == "child") QemuImg.Run("create", "-q", "-f", "vmdk", "-b", "below.vmdk", "-F", "vmdk", path);
        else DiskImages.CreateVmdk(path, new() { SizeBytes = 1 << 20 }).Dispose();
        byte[] before = File.ReadAllBytes(path);
        using (IDiskImage disk = DiskImages.Open(path, ImageFormat.Vmdk, new() { AllowBacking = true }))
        {
            ulong size = what switch { "smaller" => 1 << 19, "odd" => (2 << 20) + 1, _ => 2 << 20 };
            Assert.Contains(expected, Assert.Throws<ImageException>(() => disk.Resize(size)).Message, StringComparison.Ordinal);
            Assert.Equal(1UL << 20, disk.SizeBytes);
        }

        Assert.Equal(before, File.ReadAllBytes(path));
    }

    private static string Cid(string path) => Encoding.Latin1.GetString(File.ReadAllBytes(path), 512, 2048).Split('\n').First(l => l.StartsWith("CID=", StringComparison.Ordinal));

    private static byte[] RandomContent(Random random, int bytes)
    {
        byte[] content = new byte[bytes];
        random.NextBytes(content.AsSpan(0, bytes / 2));
        return content;
    }

    private static string Refusal(string path, ImageOpenOptions options)
        => Assert.Throws<ImageException>(() => DiskImages.Open(path, ImageFormat.Vmdk, options).Dispose()).Message;

    private static void Compare(string path, TemporaryFolder folder, DiskModel model)
    {
        QemuImg.Run("convert", "-f", "vmdk", "-O", "raw", path, folder["out.raw"]);
        Assert.True(File.ReadAllBytes(folder["out.raw"]).AsSpan().SequenceEqual(model.Content), "qemu-img reads the disk differently");
    }
}
