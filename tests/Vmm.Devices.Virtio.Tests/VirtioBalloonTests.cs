using System.Buffers.Binary;
using Vmm.Core.Memory;
using Vmm.Devices.Virtio.Balloon;
using Vmm.Host;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

public sealed class VirtioBalloonTests : IDisposable
{
    private const ulong Poison = 1UL << 4, Reporting = 1UL << 5, Statistics = 1UL << 1;
    private const uint FirstPage = 0xc00, PageBytes = 4096;
    private const int Inflate = 0, Deflate = 1, Report = 3;

    private readonly MappedMemory _mapped = new(VirtioBench.MemoryBytes);
    private readonly GuestMemory _memory;
    private readonly FakeClock _clock = new();
    private readonly VirtioBench _bench;
    private VirtioBalloon? _balloon;

    public VirtioBalloonTests()
    {
        _memory = new GuestMemory(_mapped.RamRegions(), _mapped);
        VirtioBalloonOptions options = new() { TargetBytes = 8 << 20, StatisticsIntervalNs = 1_000_000_000, Reporting = true, DeflateOnOom = true };
        _bench = new VirtioBench(workers => _balloon = new VirtioBalloon(_memory, options, _clock, workers), _memory);
    }

    public void Dispose()
    {
        _balloon!.Dispose();
        _bench.Dispose();
        _mapped.Dispose();
    }

    [Fact]
    public void Config_Target_ReadAndTold()
    {
        _bench.Start();
        Assert.Equal(0x800u, _bench.Guest.Load32(_bench.Driver.Device));
        _balloon!.SetTarget(3 * PageBytes + 17);
        Assert.Equal(3u, _bench.Guest.Load32(_bench.Driver.Device));
        Assert.Equal(2ul, _bench.Guest.Load(_bench.Driver.Isr, 1) & 2);
        _bench.Guest.Store32(_bench.Driver.Device, 77);
        Assert.Equal(3u, _bench.Guest.Load32(_bench.Driver.Device));
        _bench.Guest.Store32(_bench.Driver.Device + 4, 2);
        Assert.Equal(2ul * PageBytes, _balloon.Statistics.ActualBytes);
    }

    [Fact]
    public void Inflate_Pages_GoBackToTheHostAndReadAsZero()
    {
        VirtioDriver.Ring[] rings = _bench.Start();
        for (uint i = 0; i < 8; i++) Fill(FirstPage + i);
        rings[Inflate].Request([Frames(uint.MaxValue)], []);
        ulong before = ResidentPages();
        rings[Inflate].Request([Frames(FirstPage + 3, FirstPage, FirstPage + 2, FirstPage + 1, FirstPage + 5)], []);

        Assert.Equal(before - 5, ResidentPages());
        Assert.Equal([0, 0, 0, 0, 0xaa, 0, 0xaa, 0xaa], Enumerable.Range(0, 8).Select(i => First(FirstPage + (uint)i)));
        Assert.Equal((5ul * PageBytes, 1ul), (_balloon!.Statistics.InflatedBytes, _balloon.Statistics.RefusedPages));
        Fill(FirstPage);
        Assert.Equal(0xaa, First(FirstPage));
        rings[Deflate].Request([Frames(FirstPage, FirstPage + 1)], []);
        Assert.Equal(2ul * PageBytes, _balloon.Statistics.DeflatedBytes);
    }

    [Fact]
    public void Inflate_PagesThatAreNoRamOrTwice_HarmNobody()
    {
        VirtioDriver.Ring[] rings = _bench.Start();
        Fill(FirstPage);
        rings[Inflate].Request([Frames(FirstPage, FirstPage, 0xffff_ffff, 0x1000, 0xfff, uint.MaxValue - 1)], []);
        Assert.Equal(0, First(FirstPage));
        Assert.Equal((2ul * PageBytes, 3ul), (_balloon!.Statistics.InflatedBytes, _balloon.Statistics.RefusedPages));
        rings[Inflate].Request([[1, 2, 3]], []);
        Assert.Empty(_bench.Diagnostics);
    }

    [Theory]
    [InlineData(0ul, 3, 0)]
    [InlineData(0ul, 4, 0)]
    [InlineData(Statistics, 2, 0)]
    [InlineData(0ul, 3, 0x55)]
    [InlineData(Reporting, 3, 0)]
    public void Reported_FreePages_GoBackUnlessTheyArePoisonedOrItWasNotAgreed(ulong without, int queue, int poison)
    {
        VirtioDriver.Ring[] rings = _bench.Start(without);
        _bench.Guest.Store32(_bench.Driver.Device + 12, (uint)poison);
        VirtioDriver.Ring ring = rings[queue];
        for (uint i = 0; i < 4; i++) Fill(FirstPage + i);
        ring.Describe(ring.Descriptors, 0, FirstPage * PageBytes, PageBytes, 3, 1);
        ring.Describe(ring.Descriptors, 1, (FirstPage + 1) * PageBytes + 1, 2 * PageBytes, 2, 0);
        ring.Offer(0);
        _bench.Workers.Run();

        Assert.Equal((0u, 0u), ring.Take());
        bool isDiscarded = poison == 0 && without != Reporting;
        // The second range is not of whole pages: only what lies in it whole goes.
        int[] expected = isDiscarded ? [0, 0xaa, 0, 0xaa] : [0xaa, 0xaa, 0xaa, 0xaa];
        Assert.Equal(expected, Enumerable.Range(0, 4).Select(i => First(FirstPage + (uint)i)));
    }

    [Fact]
    public void Statistics_AskedAtTheInterval_AllTagsAreKept()
    {
        VirtioDriver.Ring statistics = _bench.Start()[2];
        Offer(statistics, Enumerable.Range(0, 11).Select(i => ((ushort)i, (ulong)(100 + i))));
        Assert.Null(statistics.Take());
        GuestMemoryStatistics expected = new()
        {
            SwapInBytes = 100,
            SwapOutBytes = 101,
            MajorFaults = 102,
            MinorFaults = 103,
            FreeBytes = 104,
            TotalBytes = 105,
            AvailableBytes = 106,
            CacheBytes = 107,
            HugePagesTaken = 108,
            HugePagesRefused = 109,
        };
        Assert.Equal(expected, _balloon!.Statistics.Guest);
        _clock.Advance(1_000_000_000);
        _bench.Workers.Run();
        Assert.Equal(0u, statistics.Take()!.Value.Head);
        Offer(statistics, [(4, 7)]);
        Assert.Equal(new GuestMemoryStatistics { TakenNs = 1_000_000_000, FreeBytes = 7 }, _balloon.Statistics.Guest);
        _clock.Advance(1_000_000_000);
        _bench.Workers.Run();
        Assert.NotNull(statistics.Take());
        _clock.Advance(5_000_000_000);
        _bench.Workers.Run();
        Assert.Null(statistics.Take());
    }

    [Fact]
    public void Reset_ForgetsWhatTheDriverSaid_KeepsTheTarget()
    {
        _bench.Start();
        _bench.Guest.Store32(_bench.Driver.Device + 4, 9);
        _bench.Guest.Store32(_bench.Driver.Device + 12, 9);
        _bench.Driver.Status = 0;
        Assert.Equal([0x800u, 0u, 0u, 0u], Enumerable.Range(0, 4).Select(i => _bench.Guest.Load32(_bench.Driver.Device + 4 * (ulong)i)));
    }

    [Fact]
    public void State_MovedAndBack_IsTheSame()
    {
        _bench.Start();
        _bench.Guest.Store32(_bench.Driver.Device + 4, 5);
        using VirtioBalloon fresh = new(_memory, new VirtioBalloonOptions(), _clock, new PumpedWorkers());
        StateContract.Check(_balloon!, fresh);
        StateContract.Check(_bench.Transport, _bench.Transport);
    }

    private static byte[] Frames(params uint[] frames)
    {
        byte[] bytes = new byte[4 * frames.Length];
        for (int i = 0; i < frames.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4 * i), frames[i]);
        return bytes;
    }

    private void Offer(VirtioDriver.Ring ring, IEnumerable<(ushort Tag, ulong Value)> values)
    {
        ulong at = ring.Buffers;
        foreach ((ushort tag, ulong value) in values)
        {
            Assert.True(_memory.TryWrite(new GuestAddress(at), tag) && _memory.TryWrite(new GuestAddress(at + 2), value));
            at += 10;
        }

        ring.Describe(ring.Descriptors, 0, ring.Buffers, (uint)(at - ring.Buffers), 0, 0);
        ring.Offer(0);
        _bench.Workers.Run();
    }

    private void Fill(uint page) => Assert.True(_memory.TryFill(new GuestAddress((ulong)page * PageBytes), PageBytes, 0xaa));

    private int First(uint page) => _memory.TryRead(new GuestAddress((ulong)page * PageBytes), out byte value) ? value : -1;

    // Pages of the memory's file that the host has.
    private ulong ResidentPages() => _mapped.AllocatedBytes / PageBytes;
}
