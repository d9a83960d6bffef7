using Vmm.Devices.Virtio.Rng;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

public sealed class VirtioRngTests : IDisposable
{
    private readonly VirtioBench _bench;
    private VirtioRng? _rng;

    public VirtioRngTests() => _bench = new VirtioBench(workers => _rng = new VirtioRng(new SeededEntropy(5), workers));

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Identity_NoConfigurationStructure()
    {
        Assert.Equal(0x10441af4u, _bench.Config.Read32(0));
        Assert.Equal(0ul, _bench.Driver.Device);
    }

    [Fact]
    public void Request_Bytes_FilledFromTheSource()
    {
        (byte[] written, uint length) = _bench.Start()[0].Request([], [100, 900]);
        byte[] expected = new byte[1000];
        Random random = new(5);
        for (int at = 0; at < expected.Length; at += 256) random.NextBytes(expected.AsSpan(at, Math.Min(256, expected.Length - at)));
        Assert.Equal(1000u, length);
        Assert.Equal(expected, written);
    }

    [Fact]
    public void Request_Huge_FilledInPart()
    {
        VirtioDriver.Ring ring = _bench.Start()[0];
        ring.Describe(ring.Descriptors, 0, 0x40_0000, 0x80_0000, 2, 0);
        ring.Offer(0);
        _bench.Workers.Run();
        Assert.Equal(65536u, ring.Take()!.Value.Length);
    }

    [Fact]
    public void Requests_MoreThanABatch_AllServed()
    {
        VirtioDriver.Ring ring = _bench.Start()[0];
        ring.Describe(ring.Descriptors, 0, ring.Buffers, 8, 2, 0);
        for (int i = 0; i < 64; i++) ring.Offer(0);
        _bench.Workers.Run();
        Assert.Equal(64, ring.UsedIndex);
        Assert.Equal(new VirtioRngStatistics(64, 512), _rng!.Statistics);
    }
}
