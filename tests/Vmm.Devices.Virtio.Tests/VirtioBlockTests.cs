using System.Buffers.Binary;
using System.Text;
using Vmm.Core.Backends;
using Vmm.Core.State;
using Vmm.Devices.Virtio.Block;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

public sealed class VirtioBlockTests : IDisposable
{
    private const uint In = 0, Out = 1, Flush = 4, GetId = 8, Discard = 11, WriteZeroes = 13;
    private const byte Ok = 0, IoError = 1, Unsupported = 2;
    private const int DiskBytes = 4 << 20;
    private const ulong FlushFeature = 1UL << 9;

    private readonly MemoryDisk _disk = new(DiskBytes);
    private readonly VirtioBench _bench;
    private VirtioBlock? _block;

    public VirtioBlockTests()
        => _bench = new VirtioBench(workers => _block = new VirtioBlock(_disk, new VirtioBlockOptions { Serial = "disk-0042", QueueCount = 3, QueueSize = 32 }, workers));

    public void Dispose() => _bench.Dispose();

    [Theory]
    [InlineData(false, false, false)]
    [InlineData(true, false, false)]
    [InlineData(false, true, false)]
    [InlineData(true, true, false)]
    [InlineData(false, false, true)]
    [InlineData(true, false, true)]
    [InlineData(false, true, true)]
    [InlineData(true, true, true)]
    public void RandomWritesAndReads_EveryQueue_DiskAndModelAgree(bool indirect, bool eventIndex, bool packed)
    {
        _bench.Driver.UsesPacked = packed;
        VirtioDriver.Ring[] rings = _bench.Start(eventIndex ? 0 : VirtioDriver.EventIndex);
        byte[] model = new byte[DiskBytes];
        Random random = new(7);
        for (int i = 0; i < 2000; i++)
        {
            VirtioDriver.Ring ring = rings[random.Next(rings.Length)];
            int sectors = random.Next(1, 17), sector = random.Next(DiskBytes / 512 - sectors);
            if (random.Next(2) == 0)
            {
                byte[] data = new byte[sectors * 512];
                random.NextBytes(data);
                int cut = random.Next(data.Length);
                Assert.Equal(Ok, Status(ring.Request([Header(Out, (ulong)sector), data[..cut], data[cut..]], [1], indirect)));
                data.CopyTo(model, sector * 512);
            }
            else
            {
                int cut = random.Next(sectors * 512);
                (byte[] written, uint length) = ring.Request([Header(In, (ulong)sector)], [cut, sectors * 512 - cut, 1], indirect);
                Assert.Equal(((uint)sectors * 512 + 1, Ok), (length, written[^1]));
                Assert.Equal(model.AsSpan(sector * 512, sectors * 512), written.AsSpan(0, sectors * 512));
            }
        }

        Assert.Equal(model, _disk.Content);
        Assert.Empty(_bench.Diagnostics);
        Assert.Equal(2000ul, _block!.Statistics.Reads + _block.Statistics.Writes);
        Assert.Equal(0ul, _block.Statistics.Errors);
    }

    [Fact]
    public void GetId_Serial_PaddedWithZeros()
    {
        (byte[] written, uint length) = _bench.Start()[0].Request([Header(GetId, 0)], [20, 1]);
        Assert.Equal("disk-0042".PadRight(20, '\0'), Encoding.ASCII.GetString(written, 0, 20));
        Assert.Equal(21u, length);
    }

    [Theory]
    [InlineData(In, DiskBytes / 512 - 1, 1024)]
    [InlineData(In, 0, 513)]
    [InlineData(In, -1, 512)]
    [InlineData(In, 1L << 55, 512)]
    public void Read_Impossible_IoErrorAndNothingWritten(uint type, long sector, int bytes)
    {
        (byte[] written, uint length) = _bench.Start()[0].Request([Header(type, (ulong)sector)], [bytes, 1]);
        Assert.Equal((IoError, 0u), (written[^1], length));
        Assert.Equal(1ul, _block!.Statistics.Errors);
    }

    [Fact]
    public void Write_BeyondTheEnd_IoError()
        => Assert.Equal(IoError, Status(_bench.Start()[0].Request([Header(Out, DiskBytes / 512), new byte[512]], [1])));

    [Fact]
    public void UnknownType_Unsupported()
        => Assert.Equal(Unsupported, Status(_bench.Start()[0].Request([Header(77, 0)], [1])));

    [Theory]
    [InlineData(BlockResult.IoError, IoError)]
    [InlineData(BlockResult.NoSpace, IoError)]
    [InlineData(BlockResult.Corrupt, IoError)]
    [InlineData(BlockResult.NotSupported, Unsupported)]
    public void BackendFails_StatusSaysSo(BlockResult result, byte status)
    {
        VirtioDriver.Ring ring = _bench.Start()[0];
        _disk.Outcome = result;
        foreach (uint type in new[] { Out, In, Flush })
            Assert.Equal(status, Status(type == In ? ring.Request([Header(In, 0)], [512, 1]) : ring.Request([Header(type, 0)], [1])));
    }

    [Fact]
    public void Flush_WriteBack_OnlyWhenTheGuestFlushes()
    {
        VirtioDriver.Ring ring = _bench.Start()[0];
        ring.Request([Header(Out, 0), new byte[512]], [1]);
        Assert.Equal(0, _disk.Flushes);
        Assert.Equal(Ok, Status(ring.Request([Header(Flush, 0)], [1])));
        Assert.Equal(1, _disk.Flushes);
    }

    [Fact]
    public void Flush_NotNegotiated_EachWriteIsSafe()
    {
        _bench.Start(without: FlushFeature)[0].Request([Header(Out, 0), new byte[512]], [1]);
        Assert.Equal(1, _disk.Flushes);
    }

    [Fact]
    public void WriteThrough_ChosenByTheGuest_EachWriteIsSafeUntilReset()
    {
        VirtioDriver.Ring ring = _bench.Start()[0];
        Assert.Equal(1ul, _bench.Guest.Load(_bench.Driver.Device + 32, 1));
        _bench.Guest.Store(_bench.Driver.Device + 32, 0, 1);
        ring.Request([Header(Out, 0), new byte[512]], [1]);
        Assert.Equal(1, _disk.Flushes);
        _bench.Start();
        Assert.Equal(1ul, _bench.Guest.Load(_bench.Driver.Device + 32, 1));
    }

    [Fact]
    public void DiscardAndZero_Ranges_ReachTheBackend()
    {
        VirtioDriver.Ring ring = _bench.Start()[0];
        Array.Fill(_disk.Content, (byte)0xaa);
        Assert.Equal(Ok, Status(ring.Request([Header(Discard, 0), Range(8, 16, 0), Range(100, 1, 0)], [1])));
        Assert.Equal([(8ul * 512, 16ul * 512), (100ul * 512, 512ul)], _disk.Discarded);
        Assert.Equal(Ok, Status(ring.Request([Header(WriteZeroes, 0), Range(2, 1, 1)], [1])));
        Assert.Equal((2ul * 512, 512ul, true), Assert.Single(_disk.Zeroed));
        Assert.Equal((0xaa, 0, 0, 0xaa), (_disk.Content[1023], _disk.Content[1024], _disk.Content[1535], _disk.Content[1536]));
    }

    [Theory]
    [InlineData(Discard, 0, 8, 1, Unsupported)]
    [InlineData(WriteZeroes, 0, 8, 2, Unsupported)]
    [InlineData(Discard, DiskBytes / 512, 1, 0, IoError)]
    [InlineData(WriteZeroes, 1, int.MaxValue, 0, IoError)]
    public void DiscardAndZero_Impossible_Refused(uint type, int sector, int count, uint flags, byte status)
    {
        Assert.Equal(status, Status(_bench.Start()[0].Request([Header(type, 0), Range((ulong)sector, (uint)count, flags)], [1])));
        Assert.Empty(_disk.Discarded);
        Assert.Empty(_disk.Zeroed);
    }

    [Fact]
    public void ReadOnly_OfferedAndEnforced()
    {
        MemoryDisk disk = new(4096, isReadOnly: true);
        using VirtioBench bench = new(workers => new VirtioBlock(disk, new VirtioBlockOptions(), workers));
        Assert.NotEqual(0ul, bench.Driver.Offered & (1UL << 5));
        VirtioDriver.Ring ring = bench.Start()[0];
        Assert.Equal(IoError, Status(ring.Request([Header(Out, 0), Enumerable.Repeat((byte)1, 512).ToArray()], [1])));
        Assert.Equal(Unsupported, Status(ring.Request([Header(WriteZeroes, 0), Range(0, 1, 0)], [1])));
        Assert.All(disk.Content, b => Assert.Equal(0, b));
    }

    [Fact]
    public void Config_Fields_WhereTheSpecificationHasThem()
    {
        ulong config = _bench.Driver.Device;
        Assert.Equal(DiskBytes / 512ul, _bench.Guest.Load(config, 8));
        Assert.Equal(30u, _bench.Guest.Load32(config + 12));
        Assert.Equal(512u, _bench.Guest.Load32(config + 20));
        Assert.Equal(3ul, _bench.Guest.Load(config + 34, 2));
        Assert.Equal((1u << 21, 32u), (_bench.Guest.Load32(config + 36), _bench.Guest.Load32(config + 40)));
        Assert.Equal(uint.MaxValue, _bench.Guest.Load32(config + 60));
    }

    [Fact]
    public void RequestWithoutHeaderOrStatus_BreaksTheQueue()
    {
        VirtioDriver.Ring ring = _bench.Start()[0];
        ring.Describe(ring.Descriptors, 0, ring.Buffers, 15, 0, 0);
        ring.Offer(0);
        _bench.Workers.Run();
        Assert.NotEqual(0, _bench.Driver.Status & VirtioDriver.NeedsReset);
        Assert.Single(_bench.Diagnostics);
    }

    [Fact]
    public void Options_OutOfRange_Throw()
    {
        PumpedWorkers workers = new();
        Assert.Throws<ArgumentException>(() => new VirtioBlock(_disk, new VirtioBlockOptions { QueueCount = 65 }, workers));
        Assert.Throws<ArgumentException>(() => new VirtioBlock(_disk, new VirtioBlockOptions { QueueSize = 48 }, workers));
        Assert.Throws<ArgumentException>(() => new VirtioBlock(_disk, new VirtioBlockOptions { Serial = new string('x', 21) }, workers));
    }

    [Fact]
    public void State_WriteThrough_Kept()
    {
        _bench.Start();
        _bench.Guest.Store(_bench.Driver.Device + 32, 0, 1);
        VirtioBlock fresh = new(_disk, new VirtioBlockOptions(), new PumpedWorkers());
        StateContract.Check(_block!, fresh);
        Assert.False(fresh.Save().IsWriteback);
        Assert.Throws<StateException>(() => fresh.Restore(new VirtioBlockState { Version = 7 }));
    }

    [Fact]
    public void Requests_OnceWarm_AllocateNothing()
    {
        VirtioDriver.Ring ring = _bench.Start()[0];
        ring.Describe(ring.Descriptors, 0, ring.Buffers, 16, 1, 1);
        ring.Describe(ring.Descriptors, 1, ring.Buffers + 0x1000, 513, 2, 0);
        Rounds(ring, 50);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Rounds(ring, 500);
        // The pump of the test itself: one delegate call, no garbage.
        // A collection on another thread may count the unused rest of an allocation context, up to 8 KiB; one object a round would be far more.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8192);
        Assert.Equal(550ul, _block!.Statistics.Reads);
    }

    private void Rounds(VirtioDriver.Ring ring, int count)
    {
        for (int i = 0; i < count; i++)
        {
            ring.Offer(0);
            _bench.Workers.Run();
            if (ring.Take() is null) throw new InvalidOperationException("no answer");
        }
    }

    private static byte Status((byte[] Written, uint Length) answer) => answer.Written[^1];

    private static byte[] Header(uint type, ulong sector)
    {
        byte[] header = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), sector);
        return header;
    }

    private static byte[] Range(ulong sector, uint count, uint flags)
    {
        byte[] range = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(range, sector);
        BinaryPrimitives.WriteUInt32LittleEndian(range.AsSpan(8), count);
        BinaryPrimitives.WriteUInt32LittleEndian(range.AsSpan(12), flags);
        return range;
    }
}
