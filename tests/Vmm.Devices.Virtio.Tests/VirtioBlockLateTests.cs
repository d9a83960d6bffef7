using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Devices.Virtio.Block;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

/// <summary>Requests that end later than they begin, and what the disk shows of itself.</summary>
public sealed class VirtioBlockLateTests
{
    private const uint In = 0, Out = 1, WriteZeroes = 13;
    private const ulong Flush = 1UL << 9, Topology = 1UL << 10, ConfigWce = 1UL << 11, Discard = 1UL << 13;
    private const int DiskBytes = 1 << 20;

    [Fact]
    public void Queue_ManyRequests_AllBeginAndEndInAnyOrder()
    {
        MemoryDisk disk = new(DiskBytes) { Held = [] };
        using VirtioBench bench = Bench(disk, new() { QueueSize = 64 });
        VirtioDriver.Ring ring = bench.Start()[0];
        for (int i = 0; i < 16; i++)
        {
            disk.Content.AsSpan(i * 512, 512).Fill((byte)(i + 1));
            Offer(bench, ring, i, In, (ulong)i);
        }

        bench.Workers.Run();
        Assert.Equal(16, disk.Held.Count);
        for (int i = 15; i >= 0; i--)
        {
            disk.EndHeld(i);
            Assert.Equal(((uint)(3 * i), 513u), ring.Take());
            Assert.Equal((byte)(i + 1), Byte(bench, Data(ring, i)));
        }
    }

    [Fact]
    public void Reset_RequestsUnderWay_IsOverWhenTheyHaveEndedAndNothingIsReturned()
    {
        MemoryDisk disk = new(DiskBytes) { Held = [] };
        using VirtioBench bench = Bench(disk, new());
        VirtioDriver.Ring ring = bench.Start()[0];
        Offer(bench, ring, 0, Out, 0);
        Offer(bench, ring, 1, In, 8);
        bench.Workers.Run();
        bench.Driver.Status = 0;
        Assert.NotEqual(0, bench.Driver.Status);
        disk.EndHeld(1);
        Assert.NotEqual(0, bench.Driver.Status);
        disk.EndHeld(0);
        Assert.Equal(0, bench.Driver.Status);
        Assert.Equal(0, ring.UsedIndex);
    }

    [Fact]
    public void Dispose_RequestUnderWay_WaitsForIt()
    {
        MemoryDisk disk = new(DiskBytes) { Held = [] };
        VirtioBlock? device = null;
        using VirtioBench bench = new(workers => device = new VirtioBlock(disk, new(), workers));
        VirtioDriver.Ring ring = bench.Start()[0];
        Offer(bench, ring, 0, In, 0);
        bench.Workers.Run();
        Thread end = new(device!.Dispose);
        end.Start();
        Assert.False(end.Join(50));
        disk.EndHeld(0);
        Assert.True(end.Join(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void WriteThrough_EachChange_EndsAfterAFlushOfItsOwn()
    {
        MemoryDisk disk = new(DiskBytes) { Held = [] };
        using VirtioBench bench = Bench(disk, new() { IsWriteThrough = true });
        VirtioDriver.Ring ring = bench.Start()[0];
        Assert.Equal(0ul, bench.Driver.Offered & (Flush | ConfigWce));
        Offer(bench, ring, 0, Out, 0);
        bench.Workers.Run();
        disk.EndHeld(0);
        Assert.Null(ring.Take());
        Assert.Equal(BlockOperation.Flush, Assert.Single(disk.Held).Operation);
        disk.EndHeld(0);
        Assert.NotNull(ring.Take());
        Assert.Equal(1, disk.Flushes);
    }

    [Fact]
    public void Config_LimitsOfTheDisk_AreShown()
    {
        MemoryDisk disk = new(DiskBytes) { Limits = new BlockLimits(4096, 65536, 65536) };
        using VirtioBench bench = Bench(disk, new());
        Assert.Equal(Topology | Discard, bench.Driver.Offered & (Topology | Discard));
        Assert.Equal(3u, bench.Guest.Load(bench.Driver.Device + 24, 1));
        Assert.Equal(8u, bench.Guest.Load(bench.Driver.Device + 26, 2));
        Assert.Equal(128u, bench.Guest.Load32(bench.Driver.Device + 28));
        Assert.Equal(128u, bench.Guest.Load32(bench.Driver.Device + 44));
    }

    [Fact]
    public void DiscardIgnored_IsNotOfferedAndZeroingKeepsTheStorage()
    {
        MemoryDisk disk = new(DiskBytes);
        using VirtioBench bench = Bench(disk, new() { HasDiscard = false });
        Assert.Equal(0ul, bench.Driver.Offered & Discard);
        byte[] range = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(range.AsSpan(8), 8);
        range[12] = 1; // unmap
        bench.Start()[0].Request([Header(WriteZeroes, 0), range], [1]);
        Assert.Equal((0ul, 4096ul, false), Assert.Single(disk.Zeroed));
    }

    private static VirtioBench Bench(MemoryDisk disk, VirtioBlockOptions options) => new(workers => new VirtioBlock(disk, options, workers));

    // Request n has descriptors 3n to 3n + 2 and 1 KiB of memory: header, a sector of data, status.
    private static void Offer(VirtioBench bench, VirtioDriver.Ring ring, int n, uint type, ulong sector)
    {
        ulong at = ring.Buffers + (ulong)n * 1024;
        Assert.True(bench.Memory.TryCopyIn(new GuestAddress(at), Header(type, sector)));
        ring.Describe(ring.Descriptors, 3 * n, at, 16, 1, (ushort)(3 * n + 1));
        ring.Describe(ring.Descriptors, 3 * n + 1, Data(ring, n), 512, (ushort)(type == In ? 3 : 1), (ushort)(3 * n + 2));
        ring.Describe(ring.Descriptors, 3 * n + 2, at + 1023, 1, 2, 0);
        ring.Offer((ushort)(3 * n));
    }

    private static ulong Data(VirtioDriver.Ring ring, int n) => ring.Buffers + (ulong)n * 1024 + 256;

    private static byte Byte(VirtioBench bench, ulong at)
    {
        Assert.True(bench.Memory.TryRead(new GuestAddress(at), out byte value));
        return value;
    }

    private static byte[] Header(uint type, ulong sector)
    {
        byte[] header = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), sector);
        return header;
    }
}
