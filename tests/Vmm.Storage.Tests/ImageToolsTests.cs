using Vmm.Storage.Qcow2;
using Vmm.Storage.Tools;

namespace Vmm.Storage.Tests;

/// <summary>Convert, compare, commit and map, with qemu-img as judge.</summary>
public class ImageToolsTests
{
    [Theory]
    [InlineData(1, 65536, false, Qcow2Compression.Deflate)]
    [InlineData(2, 4096, true, Qcow2Compression.Deflate)]
    [InlineData(3, 65536, true, Qcow2Compression.Deflate)]
    [InlineData(4, 65536, true, Qcow2Compression.Zstd)]
    [InlineData(5, 2 << 20, true, Qcow2Compression.Zstd)]
    [InlineData(6, 512, false, Qcow2Compression.Deflate)]
    public void Convert_BothWays_HoldsTheSame(int seed, int clusterBytes, bool compress, Qcow2Compression compression)
    {
        using TemporaryFolder folder = new();
        byte[] content = Content(seed);
        File.WriteAllBytes(folder["source"], content);
        using (IDiskImage source = DiskImages.Open(folder["source"], ImageFormat.Raw, new() { ReadOnly = true }))
        using (IDiskImage target = DiskImages.CreateQcow2(folder["target"],
            new() { SizeBytes = source.SizeBytes, ClusterBytes = clusterBytes, Compression = compression }, ignoreFlush: true))
        {
            ImageConverter.Copy(source, target, compress, null);
        }

        QemuImg.Run("check", "-q", folder["target"]);
        QemuImg.Run("compare", "-q", "-f", "raw", "-F", "qcow2", folder["source"], folder["target"]);
        if (compress && clusterBytes <= 65536) Assert.True(new FileInfo(folder["target"]).Length < content.Length * 3 / 4);
        using IDiskImage again = DiskImages.Open(folder["target"], ImageFormat.Qcow2, new() { ReadOnly = true });
        using (IDiskImage raw = DiskImages.CreateRaw(folder["raw"], again.SizeBytes, ignoreFlush: true)) ImageConverter.Copy(again, raw, compress: false, null);
        Assert.True(File.ReadAllBytes(folder["raw"]).AsSpan().SequenceEqual(content));
    }

    [Fact]
    public void Compare_OneByteDiffers_NamesIt()
    {
        using TemporaryFolder folder = new();
        byte[] content = Content(9);
        File.WriteAllBytes(folder["a"], content);
        content[1_234_567] ^= 1;
        File.WriteAllBytes(folder["b"], [.. content, .. new byte[1024]]);
        using IDiskImage a = DiskImages.Open(folder["a"], ImageFormat.Raw, new() { ReadOnly = true });
        using IDiskImage b = DiskImages.Open(folder["b"], ImageFormat.Raw, new() { ReadOnly = true });
        Assert.Equal(1_234_567UL, ImageComparer.FirstDifference(a, b, null));
        Assert.Null(ImageComparer.FirstDifference(a, a, null));
    }

    [Fact]
    public void Commit_CarriesTheLayerDown()
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder["source"], Content(10));
        QemuImg.Run("convert", "-f", "raw", "-O", "qcow2", folder["source"], folder["below"]);
        QemuImg.Run("create", "-q", "-f", "qcow2", "-b", "below", "-F", "qcow2", folder["top"], "4M");
        QemuImg.Io(folder["top"], "qcow2", ["write -P 7 100k 300k", "write -z 600k 64k", "write -P 9 3900k 10k"]);
        QemuImg.Run("convert", "-f", "qcow2", "-O", "raw", folder["top"], folder["expected"]);
        using (IDiskImage top = DiskImages.OpenAlone(folder["top"], ImageFormat.Qcow2))
        using (IDiskImage below = DiskImages.Open(folder["below"], ImageFormat.Qcow2, new()))
        {
            ImageCommitter.Commit(top, below, null);
        }

        QemuImg.Run("check", "-q", folder["below"]);
        QemuImg.Run("compare", "-q", "-f", "raw", "-F", "qcow2", folder["expected"], folder["below"]);
    }

    [Fact]
    public void Map_CoversTheDiskAndNamesTheFile()
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder["below"], Content(11));
        QemuImg.Run("create", "-q", "-f", "qcow2", "-b", "below", "-F", "raw", folder["top"]);
        QemuImg.Io(folder["top"], "qcow2", ["write -P 7 128k 128k", "write -z 512k 64k"]);
        using IDiskImage top = DiskImages.Open(folder["top"], ImageFormat.Qcow2, new() { ReadOnly = true, AllowBacking = true });
        MappedPiece[] pieces = [.. ImageMapper.Pieces(top)];
        Assert.Equal(top.SizeBytes, pieces.Aggregate(0UL, (sum, p) => sum + p.Length));
        Assert.Contains(pieces, p => p is { Offset: 128 << 10, Length: 128 << 10, Kind: BlockExtentKind.Data, Depth: 0 });
        Assert.Contains(pieces, p => p is { Offset: 512 << 10, Length: 64 << 10, Kind: BlockExtentKind.Zero, Depth: 0 });
        Assert.Contains(pieces, p => p.Depth == 1 && p.File.EndsWith("below", StringComparison.Ordinal));
    }

    // Text-like, random and empty parts; an odd size.
    private static byte[] Content(int seed)
    {
        Random random = new(seed);
        byte[] content = new byte[3_500_032];
        for (int at = 0; at < 2_000_000; at++) content[at] = (byte)random.Next(97, 101);
        random.NextBytes(content.AsSpan(2_300_000, 200_000));
        content[^1] = 1;
        return content;
    }
}
