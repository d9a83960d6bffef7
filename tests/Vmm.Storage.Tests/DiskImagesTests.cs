using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host;

namespace Vmm.Storage.Tests;

/// <summary>Opening: formats, locks, backing files; raw images and throw-away layers.</summary>
public class DiskImagesTests
{
    [Fact]
    public void Raw_RandomWork_ReadsBackAndLiesByteForByte()
    {
        using TemporaryFolder folder = new();
        DiskModel model = new(new Random(1), new byte[3_000_320]);
        using (IDiskImage disk = DiskImages.CreateRaw(folder["disk.raw"], 3_000_320))
        {
            for (int i = 0; i < 200; i++) model.Step(disk);
            model.Verify(disk);
            Assert.Equal(BlockResult.OutOfRange, disk.Write(3_000_319, new byte[2]));
            Assert.Equal(BlockResult.OutOfRange, disk.Read(ulong.MaxValue, new byte[2]));
        }

        Assert.True(File.ReadAllBytes(folder["disk.raw"]).AsSpan().SequenceEqual(model.Content));
    }

    [Fact]
    public void Raw_DiscardedRange_TakesNoRoom()
    {
        using TemporaryFolder folder = new();
        using IDiskImage disk = DiskImages.CreateRaw(folder["disk.raw"], 1 << 20);
        byte[] data = new byte[1 << 20];
        data.AsSpan().Fill(1);
        disk.Write(0, data);
        ulong full = disk.AllocatedBytes;
        disk.Discard(0, 1 << 19);
        Assert.True(disk.AllocatedBytes <= full / 2 + 4096);
        Assert.Equal(new BlockExtent(BlockExtentKind.Zero, 1 << 19, 0), disk.Map(0, 1 << 20));
    }

    [Fact]
    public void Open_SecondWriter_IsRefusedByName()
    {
        using TemporaryFolder folder = new();
        string path = folder["disk.raw"];
        using (IDiskImage disk = DiskImages.CreateRaw(path, 4096))
        {
            Assert.Contains(path, Assert.Throws<LinuxException>(() => DiskImages.Open(path, ImageFormat.Raw, new())).Message, StringComparison.Ordinal);
            Assert.Throws<LinuxException>(() => DiskImages.Open(path, ImageFormat.Raw, new() { ReadOnly = true }));
            QemuImg.Run(1, ["map", "-f", "raw", path]);
        }

        using IDiskImage first = DiskImages.Open(path, ImageFormat.Raw, new() { ReadOnly = true });
        using IDiskImage second = DiskImages.Open(path, ImageFormat.Raw, new() { ReadOnly = true });
        Assert.Throws<LinuxException>(() => DiskImages.Open(path, ImageFormat.Raw, new()));
        QemuImg.Run("map", "-f", "raw", path);
    }

    [Fact]
    public void Open_BackingFileNotAllowed_IsRefused()
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder["below.raw"], new byte[4096]);
        DiskImages.CreateQcow2(folder["disk"], new() { SizeBytes = 4096, BackingFile = "below.raw", BackingFormat = ImageFormat.Raw }).Dispose();
        Assert.Contains("below.raw", Assert.Throws<ImageException>(() => DiskImages.Open(folder["disk"], ImageFormat.Qcow2, new())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_ImageThatIsItsOwnBackingFile_IsRefused()
    {
        using TemporaryFolder folder = new();
        DiskImages.CreateQcow2(folder["disk"], new() { SizeBytes = 4096, BackingFile = "disk", BackingFormat = ImageFormat.Qcow2 }).Dispose();
        ImageException e = Assert.Throws<ImageException>(() => DiskImages.Open(folder["disk"], ImageFormat.Qcow2, new() { AllowBacking = true, ReadOnly = true }));
        Assert.Contains("its own backing file", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(35, 2, "encrypted")] // crypt_method: LUKS
    [InlineData(79, 4, "external")] // incompatible_features: data file
    [InlineData(79, 32, "not known")]
    [InlineData(7, 4, "version 4")]
    [InlineData(23, 40, "cluster size")]
    public void Open_WhatIsNotSupported_IsRefusedByName(int at, byte value, string word)
    {
        using TemporaryFolder folder = new();
        DiskImages.CreateQcow2(folder["disk"], new() { SizeBytes = 4096 }).Dispose();
        byte[] bytes = File.ReadAllBytes(folder["disk"]);
        bytes[at] = value;
        File.WriteAllBytes(folder["disk"], bytes);
        Assert.Contains(word, Assert.Throws<ImageException>(() => DiskImages.Open(folder["disk"], ImageFormat.Qcow2, new())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Overlay_TakesAllWrites_AndLeavesTheImage()
    {
        using TemporaryFolder folder = new();
        byte[] content = new byte[300 * 512];
        new Random(2).NextBytes(content);
        File.WriteAllBytes(folder["disk.raw"], content);
        DiskModel model = new(new Random(3), [.. content]);
        using (IDiskImage disk = DiskImages.Overlay(DiskImages.Open(folder["disk.raw"], ImageFormat.Raw, new() { ReadOnly = true }), folder.Path))
        {
            for (int i = 0; i < 100; i++) model.Step(disk);
            model.Verify(disk);
            Assert.Single(Directory.GetFiles(folder.Path));
        }

        Assert.True(File.ReadAllBytes(folder["disk.raw"]).AsSpan().SequenceEqual(content));
    }

    [Fact]
    public void Qcow2_ManyThreads_WriteTheirOwnParts()
    {
        using TemporaryFolder folder = new();
        const int Parts = 8;
        const int PartBytes = 1 << 20;
        byte[][] contents = new byte[Parts][];
        using (IDiskImage disk = DiskImages.CreateQcow2(folder["disk"], new() { SizeBytes = Parts * PartBytes, ClusterBytes = 4096 }, ignoreFlush: true))
        {
            Parallel.For(0, Parts, part =>
            {
                Random random = new(part);
                contents[part] = new byte[PartBytes];
                byte[] data = new byte[5000];
                for (int i = 0; i < 200; i++)
                {
                    random.NextBytes(data);
                    int at = random.Next(PartBytes - data.Length);
                    Assert.Equal(BlockResult.Ok, disk.Write((ulong)(part * PartBytes + at), data));
                    data.CopyTo(contents[part], at);
                    if (i % 50 == 0) Assert.Equal(BlockResult.Ok, disk.Flush());
                }
            });
            new DiskModel(new Random(), contents.SelectMany(c => c).ToArray()).Verify(disk);
        }

        QemuImg.Run("check", "-q", folder["disk"]);
    }

    [Fact]
    public void Qcow2_WarmReadAndOverwrite_AllocateNothing()
    {
        using TemporaryFolder folder = new();
        using IDiskImage disk = DiskImages.CreateQcow2(folder["disk"], new() { SizeBytes = 1 << 20 }, ignoreFlush: true);
        byte[] data = new byte[4096];
        for (int i = 0; i < 10; i++) Work();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) Work();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Work()
        {
            disk.Write(8192, data);
            disk.Read(0, data);
            disk.Read(8192, data);
        }
    }
}
