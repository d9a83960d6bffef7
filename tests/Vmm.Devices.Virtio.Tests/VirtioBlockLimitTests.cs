using System.Buffers.Binary;
using Vmm.Core.Time;
using Vmm.Devices.Virtio.Block;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

/// <summary>A disk with rate limits: its guest keeps every ring full.</summary>
public sealed class VirtioBlockLimitTests : IDisposable
{
    private const uint In = 0, Out = 1, Flush = 4;
    private const long Second = 1_000_000_000;
    private const ushort RingSize = 32;

    private readonly MemoryDisk _disk = new(1 << 20);
    private readonly FakeClock _clock = new();
    private readonly RateLimiter _limiter;
    private readonly VirtioBench _bench;
    private VirtioBlock? _block;

    public VirtioBlockLimitTests()
    {
        _limiter = new RateLimiter(_clock, default);
        _bench = new VirtioBench(workers => _block = new VirtioBlock(_disk, new VirtioBlockOptions { QueueCount = 2, QueueSize = RingSize }, workers, _limiter));
    }

    public void Dispose()
    {
        _block!.Dispose();
        _limiter.Dispose();
        _bench.Dispose();
    }

    [Theory]
    [InlineData(In)]
    [InlineData(Out)]
    public void Bytes_GreedyGuest_HeldToTheRate(uint type)
    {
        _limiter.Limits = new(new TokenRate(100_000, 4096), default);
        VirtioDriver.Ring[] rings = Load(type);
        Pass(rings, 100);
        VirtioBlockStatistics done = _block!.Statistics;
        Assert.InRange(done.ReadBytes + done.WrittenBytes, 9_900_000ul, 10_100_000ul);
    }

    [Fact]
    public void Operations_ReadsAndFlushes_CountTogether()
    {
        _limiter.Limits = new(new TokenRate(1 << 30), new TokenRate(100, 1));
        VirtioDriver.Ring[] rings = Load(In, Flush);
        Pass(rings, 100);
        VirtioBlockStatistics done = _block!.Statistics;
        Assert.InRange(done.Reads + done.Flushes, 9_900ul, 10_100ul);
        Assert.True(done.Flushes > 1000, $"{done.Flushes} flushes");
    }

    [Fact]
    public void Throttled_WaitingGuest_WorkersRest()
    {
        _limiter.Limits = new(default, new TokenRate(1, 1));
        Load(In);
        _bench.Workers.Run();
        Assert.Equal(1ul, _block!.Statistics.Reads);
        int runs = 0;
        for (int i = 0; i < 100; i++)
        {
            _clock.Advance(Second / 10);
            runs += _bench.Workers.Run();
        }

        // Two queues wake for each request, and one of them finds it gone.
        Assert.Equal(11ul, _block.Statistics.Reads);
        Assert.InRange(runs, 10, 24);
    }

    [Fact]
    public void Changed_WhileThrottled_TakesEffectAtOnce()
    {
        _limiter.Limits = new(default, new TokenRate(1, 1));
        Load(In);
        _bench.Workers.Run();
        Assert.Equal(1ul, _block!.Statistics.Reads);
        _limiter.Limits = default;
        _bench.Workers.Run();
        Assert.Equal(2ul * RingSize / 2, _block.Statistics.Reads);
    }

    [Fact]
    public void Reset_WhileThrottled_IsOverAtOnceAndNothingOldIsServed()
    {
        _limiter.Limits = new(default, new TokenRate(1, 1));
        Load(In);
        _bench.Workers.Run();
        _bench.Driver.Status = 0;
        Assert.Equal(0, _bench.Driver.Status);
        _clock.Advance(100 * Second);
        _bench.Workers.Run();
        Assert.Equal(1ul, _block!.Statistics.Reads);
        _limiter.Limits = default;
        Load(In);
        _bench.Workers.Run();
        Assert.Equal(1ul + RingSize, _block.Statistics.Reads);
    }

    [Fact]
    public void State_WhileThrottled_SavedAndRestoredInPlaceGoesOn()
    {
        _limiter.Limits = new(default, new TokenRate(1, 1));
        Load(In);
        _bench.Workers.Run();
        StateContract.Check(_bench.Transport, _bench.Transport);
        _clock.Advance(Second);
        _bench.Workers.Run();
        Assert.Equal(2ul, _block!.Statistics.Reads);
    }

    [Fact]
    public void Limited_RequestsOnceWarm_AllocateNothing()
    {
        _limiter.Limits = new(new TokenRate(1_000_000_000), new TokenRate(1_000_000));
        VirtioDriver.Ring[] rings = Load(In);
        Pass(rings, 5);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            rings[0].Offer(0);
            _bench.Workers.Run();
            if (rings[0].Take() is null) throw new InvalidOperationException("no answer");
        }

        // A collection on another thread may count the unused rest of an allocation context, up to 8 KiB; one object a round would be far more.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8192);
    }

    /// <summary>Fills half of both rings with requests of 512 bytes.</summary>
    private VirtioDriver.Ring[] Load(params uint[] types)
    {
        VirtioDriver.Ring[] rings = _bench.Start();
        foreach (VirtioDriver.Ring ring in rings)
        {
            for (int i = 0; i < types.Length; i++) Describe(ring, i, types[i]);
            for (int i = 0; i < RingSize / 2; i++) ring.Offer((ushort)(i % types.Length * 3));
        }

        return rings;
    }

    private void Describe(VirtioDriver.Ring ring, int request, uint type)
    {
        int slot = request * 3;
        Span<byte> header = stackalloc byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        _bench.Memory.TryCopyIn(new(ring.Buffers + (ulong)slot * 16), header);
        ring.Describe(ring.Descriptors, slot, ring.Buffers + (ulong)slot * 16, 16, 1, (ushort)(slot + 1));
        if (type == Flush) ring.Describe(ring.Descriptors, slot + 1, ring.Buffers + 0x1000, 1, 2, 0);
        else ring.Describe(ring.Descriptors, slot + 1, ring.Buffers + 0x2000, 512, (ushort)(type == In ? 3 : 1), (ushort)(slot + 2));
        if (type != Flush) ring.Describe(ring.Descriptors, slot + 2, ring.Buffers + 0x1000, 1, 2, 0);
    }

    /// <summary>Lets time pass; the guest asks again as soon as it has an answer.</summary>
    private void Pass(VirtioDriver.Ring[] rings, int seconds)
    {
        for (int ms = 0; ms <= seconds * 1000; ms++)
        {
            _bench.Workers.Run();
            foreach (VirtioDriver.Ring ring in rings)
            {
                while (ring.Take() is { } used) ring.Offer((ushort)used.Head);
            }

            _clock.Advance(Second / 1000);
        }
    }
}
