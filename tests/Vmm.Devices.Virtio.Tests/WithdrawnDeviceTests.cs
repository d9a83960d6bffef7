using Vmm.Devices.Virtio.Block;
using Vmm.Devices.Virtio.Net;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

/// <summary>What stands in for a device that its host took away.</summary>
public class WithdrawnDeviceTests
{
    private const byte Failed = 1;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Disk_EveryRequest_FailsAndTheConfigurationStays(bool packed)
    {
        using MemoryDisk disk = new(1 << 20);
        using VirtioBench bench = new(workers => new WithdrawnDevice(new VirtioBlock(disk, new VirtioBlockOptions { QueueCount = 2, QueueSize = 32 }, workers), workers));
        bench.Driver.UsesPacked = packed;
        VirtioDriver.Ring[] rings = bench.Start();

        for (int i = 0; i < 100; i++)
        {
            (byte[] written, uint length) = rings[i % 2].Request([new byte[16]], [512, 1]);
            Assert.Equal((513u, Failed), (length, written[^1]));
        }

        Assert.Equal(2048u, bench.Guest.Load(bench.Driver.Device, 4));
        // A request that wants no answer gets none, and is over all the same.
        Assert.Equal(0u, rings[0].Request([new byte[16]], []).Length);
    }

    [Fact]
    public void Network_SendsAndCommands_AreOverAndNothingIsReceived()
    {
        FakeNet link = new(1, default);
        using VirtioBench bench = new(workers => new WithdrawnDevice(new VirtioNet(link, new VirtioNetOptions { Mac = new(0x5254_0012_3456), QueueSize = 32 }, workers), workers));
        VirtioDriver.Ring[] rings = bench.Start();
        rings[0].Describe(rings[0].Descriptors, 0, rings[0].Buffers, 1526, 2, 0);

        rings[0].Offer(0);
        rings[0].Kick();
        bench.Workers.Run();

        Assert.Equal(0, rings[0].UsedIndex);
        Assert.Equal(0u, rings[1].Request([new byte[80]], []).Length);
        Assert.Equal(Failed, rings[2].Request([[0, 0, 1]], [1]).Written[0]);
        Assert.Empty(link.Sent);
    }
}
