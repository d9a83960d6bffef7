using Vmm.Core.Backends;
using Vmm.Storage.Engines;

namespace Vmm.Storage.Tests.Engines;

/// <summary>A block device as a disk. Where the host has no loop devices for us, there is nothing to test.</summary>
public class BlockDeviceTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void BlockDevice_ManyUnderWay_EachFindsItsOwn(bool direct)
    {
        using TemporaryFolder folder = new();
        File.WriteAllBytes(folder["file"], new byte[8 << 20]);
        byte[] content;
        using (LoopDevice? device = LoopDevice.TryCreate(folder["file"]))
        {
            if (device is null) return;
            using DiskImageBase disk = (DiskImageBase)DiskImages.Open(device.Path, ImageFormat.Raw, new() { Direct = direct });
            Assert.Equal(8ul << 20, disk.SizeBytes);
            disk.UseEngine(new BlockEngine("test", AioMode.Auto));
            using DiskUnderLoad load = new(disk, 16, 8192, seed: 6);
            load.Run(2000);
            new DiskModel(new Random(), load.Content).Verify(disk);
            Assert.Equal(BlockResult.Ok, disk.Flush());
            content = load.Content;
        }

        Assert.True(File.ReadAllBytes(folder["file"]).AsSpan().SequenceEqual(content));
    }

    [Fact]
    public void BlockDevice_Discard_GivesTheStorageBack()
    {
        using TemporaryFolder folder = new();
        byte[] full = new byte[4 << 20];
        full.AsSpan().Fill(1);
        File.WriteAllBytes(folder["file"], full);
        using LoopDevice? device = LoopDevice.TryCreate(folder["file"]);
        if (device is null) return;
        using IDiskImage below = DiskImages.OpenAlone(folder["file"], ImageFormat.Raw);
        ulong before = below.AllocatedBytes;
        using IDiskImage disk = DiskImages.Open(device.Path, ImageFormat.Raw, new());
        Assert.Equal(BlockResult.Ok, disk.Discard(0, 2 << 20));
        Assert.Equal(BlockResult.Ok, disk.WriteZeroes(2 << 20, 1 << 20, mayUnmap: true));
        Assert.True(below.AllocatedBytes <= before - (2 << 20), $"{before} bytes before, {below.AllocatedBytes} after");
    }
}
