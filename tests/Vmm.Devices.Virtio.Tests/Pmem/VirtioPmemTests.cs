using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Devices.Virtio.Pmem;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests.Pmem;

public sealed class VirtioPmemTests : IDisposable
{
    private const ulong Start = 5UL << 30;
    private const int Steps = 100_000;

    private readonly FakePmem _file = new();
    private readonly VirtioBench _bench;
    private VirtioPmem? _pmem;

    public VirtioPmemTests() => _bench = new VirtioBench(workers => _pmem = new VirtioPmem(_file, new GuestAddress(Start), workers));

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Config_StartAndSize_WhereTheSpecificationHasThem()
    {
        Assert.Equal(0x105b1af4u, _bench.Config.Read32(0));
        Assert.Equal((Start, 64ul << 20), (_bench.Guest.Load(_bench.Driver.Device, 8), _bench.Guest.Load(_bench.Driver.Device + 8, 8)));
    }

    [Fact]
    public void Flush_ReachesTheFileAndItsResultTheGuest()
    {
        VirtioDriver.Ring ring = _bench.Start()[0];
        Assert.Equal(0, _file.Flushes);
        Assert.Equal((0u, 4u), Answer(ring.Request([[0, 0, 0, 0]], [4])));
        Assert.Equal(1, _file.Flushes);
        _file.Outcome = BlockResult.IoError;
        Assert.Equal((uint.MaxValue, 4u), Answer(ring.Request([[0, 0, 0, 0]], [4])));
        Assert.Equal(new VirtioPmemStatistics(2, 2, 1), _pmem!.Statistics);
    }

    [Fact]
    public void UnknownRequest_FailsAndFlushesNothing()
    {
        Assert.Equal((uint.MaxValue, 4u), Answer(_bench.Start()[0].Request([[1, 0, 0, 0]], [4])));
        Assert.Equal(0, _file.Flushes);
    }

    [Fact]
    public void Requests_ThatWaitTogether_OneFlush()
    {
        VirtioDriver.Ring ring = _bench.Start()[0];
        ring.Describe(ring.Descriptors, 0, ring.Buffers, 4, 1, 1);
        ring.Describe(ring.Descriptors, 1, ring.Buffers + 16, 4, 2, 0);
        for (int i = 0; i < 20; i++) ring.Offer(0);
        _bench.Workers.Run();
        Assert.Equal((20, 1), (ring.UsedIndex, _file.Flushes));
    }

    [Fact]
    public void RequestWithoutTypeOrAnswer_BreaksTheQueueAndAResetIsOver()
    {
        VirtioDriver.Ring ring = _bench.Start()[0];
        ring.Describe(ring.Descriptors, 0, ring.Buffers, 4, 1, 1);
        ring.Describe(ring.Descriptors, 1, ring.Buffers + 16, 4, 2, 0);
        ring.Describe(ring.Descriptors, 2, ring.Buffers, 3, 0, 0);
        ring.Offer(0);
        ring.Offer(2);
        _bench.Workers.Run();
        Assert.NotEqual(0, _bench.Driver.Status & VirtioDriver.NeedsReset);
        Assert.Single(_bench.Diagnostics);
        _bench.Driver.Status = 0;
        Assert.Equal(0, _bench.Driver.Status);
        Assert.Equal((0u, 4u), Answer(_bench.Start()[0].Request([[0, 0, 0, 0]], [4])));
    }

    [Fact]
    public void Driver_GoneMad_NothingThrowsAndItServesAfterwards()
    {
        Random random = new(3);
        VirtioDriver.Ring ring = _bench.Start()[0];
        for (int step = 0; step < Steps; step++)
        {
            ring.Describe(ring.Descriptors, random.Next(8), random.Next(50) == 0 ? (ulong)random.NextInt64() : ring.Buffers + (ulong)random.Next(4096), (uint)random.Next(12), (ushort)random.Next(4), (ushort)random.Next(8));
            ring.Offer((ushort)random.Next(random.Next(50) == 0 ? 100 : 8));
            _file.Outcome = (BlockResult)random.Next(4);
            if (random.Next(3) == 0) _bench.Workers.Run();
            if (step % 50 == 0) StateContract.Check(_pmem!, _pmem!);
            if (step % 20 != 0) continue;
            if (random.Next(2) == 0) _bench.Driver.Status = 0;
            _bench.Workers.Run();
            ring = _bench.Start()[0];
        }

        _file.Outcome = BlockResult.Ok;
        Assert.Equal((0u, 4u), Answer(_bench.Start()[0].Request([[0, 0, 0, 0]], [4])));
    }

    [Fact]
    public void State_OfAnotherPlace_Refused()
    {
        VirtioPmem other = new(_file, new GuestAddress(Start + 4096), new PumpedWorkers());
        Assert.Throws<StateException>(() => other.Restore(_pmem!.Save()));
        VirtioPmem same = new(_file, new GuestAddress(Start), new PumpedWorkers());
        StateContract.Check(_pmem!, same);
    }

    private static (uint Result, uint Length) Answer((byte[] Written, uint Length) answer) => (BitConverter.ToUInt32(answer.Written), answer.Length);
}
