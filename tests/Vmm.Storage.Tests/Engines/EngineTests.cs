using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Engines;
using Vmm.Storage.Qcow2;

namespace Vmm.Storage.Tests.Engines;

/// <summary>Requests that end later, on every engine.</summary>
public class EngineTests
{
    private const int Requests = 24;

    [Theory]
    [InlineData(AioMode.IoUring, false)]
    [InlineData(AioMode.IoUring, true)]
    [InlineData(AioMode.Threads, false)]
    [InlineData(AioMode.Threads, true)]
    public void Raw_ManyUnderWay_EachFindsItsOwn(AioMode mode, bool direct)
    {
        using TemporaryFolder folder = new();
        DiskImages.CreateRaw(folder["disk"], 8 << 20).Dispose();
        byte[] content;
        using (DiskImageBase disk = (DiskImageBase)DiskImages.Open(folder["disk"], ImageFormat.Raw, new() { Direct = direct }))
        {
            disk.UseEngine(new BlockEngine("test", mode));
            using DiskUnderLoad load = new(disk, Requests, 8192, seed: 1);
            load.Run(4000);
            content = load.Content;
            new DiskModel(new Random(), content).Verify(disk);
        }

        Assert.True(File.ReadAllBytes(folder["disk"]).AsSpan().SequenceEqual(content));
    }

    [Theory]
    [InlineData(AioMode.IoUring, 65536, 4096, false)]
    [InlineData(AioMode.IoUring, 4096, 16384, false)]
    [InlineData(AioMode.Threads, 512, 8192, false)]
    [InlineData(AioMode.Threads, 65536, 8192, true)]
    [InlineData(AioMode.IoUring, 4096, 8192, true)]
    public void Qcow2_ManyUnderWayWithSnapshots_EachFindsItsOwnAndTheImageIsGood(AioMode mode, int clusterBytes, int slotBytes, bool direct)
    {
        using TemporaryFolder folder = new();
        DiskImages.CreateQcow2(folder["disk"], new() { SizeBytes = 8 << 20, ClusterBytes = clusterBytes }).Dispose();
        byte[] content;
        List<byte[]> kept = [];
        using (Qcow2Image disk = (Qcow2Image)DiskImages.Open(folder["disk"], ImageFormat.Qcow2, new() { IgnoreFlush = true, Direct = direct }))
        {
            disk.UseEngine(new BlockEngine("test", mode));
            using DiskUnderLoad load = new(disk, Requests, slotBytes, seed: 2);
            for (int round = 0; round < 4; round++)
            {
                load.Run(700);
                disk.CreateSnapshot($"s{round}", DateTimeOffset.UnixEpoch);
                kept.Add([.. load.Content]);
                if (round == 2) disk.DeleteSnapshot("s0");
            }

            load.Run(700);
            content = load.Content;
            new DiskModel(new Random(), content).Verify(disk);
        }

        QemuImg.Run("check", "-q", folder["disk"]);
        using (IDiskImage disk = DiskImages.Open(folder["disk"], ImageFormat.Qcow2, new() { ReadOnly = true })) new DiskModel(new Random(), content).Verify(disk);
        for (int round = 1; round < 4; round++)
        {
            using Qcow2Image old = (Qcow2Image)DiskImages.Open(folder["disk"], ImageFormat.Qcow2, new() { ReadOnly = true });
            old.ShowSnapshot($"s{round}");
            new DiskModel(new Random(), kept[round]).Verify(old);
        }
    }

    [Theory]
    [InlineData(AioMode.Auto)]
    [InlineData(AioMode.Threads)]
    public void Qcow2_SnapshotsWhileRequestsAreUnderWay_NothingIsLost(AioMode mode)
    {
        using TemporaryFolder folder = new();
        DiskImages.CreateQcow2(folder["disk"], new() { SizeBytes = 8 << 20, ClusterBytes = 4096 }).Dispose();
        using (Qcow2Image disk = (Qcow2Image)DiskImages.Open(folder["disk"], ImageFormat.Qcow2, new() { IgnoreFlush = true }))
        {
            disk.UseEngine(new BlockEngine("test", mode));
            using DiskUnderLoad load = new(disk, 2 * Requests, 8192, seed: 3);
            bool isOver = false;
            Thread snapshots = new(() =>
            {
                for (int i = 0; !Volatile.Read(ref isOver); i++)
                {
                    disk.CreateSnapshot($"s{i}", DateTimeOffset.UnixEpoch);
                    Thread.Sleep(1);
                    if (i > 2) disk.DeleteSnapshot($"s{i - 3}");
                }
            });
            snapshots.Start();
            load.Run(5000);
            Volatile.Write(ref isOver, true);
            snapshots.Join();
            new DiskModel(new Random(), load.Content).Verify(disk);
        }

        QemuImg.Run("check", "-q", folder["disk"]);
    }

    [Fact]
    public void Qcow2_DirectWriteIsHeldBackWhileATableIsWritten_AllEnd()
    {
        using TemporaryFolder folder = new();
        using CountdownEvent left = new(3);
        SlotRequest inPlace = new(0, 512, _ => left.Signal()), allocating = new(1, 512, _ => left.Signal()), last = new(2, 512, _ => left.Signal());
        DiskImages.CreateQcow2(folder["disk"], new() { SizeBytes = 8 << 20, ClusterBytes = 512 }).Dispose();
        using DiskImageBase disk = (DiskImageBase)DiskImages.Open(folder["disk"], ImageFormat.Qcow2, new() { IgnoreFlush = true, Direct = true });
        disk.Write(0, new byte[512]);
        disk.UseEngine(new BlockEngine("test", AioMode.Auto));

        // The second needs a new table, the third a look at the tables: whoever waits must not wait for the first, which is not handed over.
        inPlace.Begin(disk, BlockOperation.Write, 0, 512);
        allocating.Begin(disk, BlockOperation.Write, 4 << 20, 512);
        Thread.Sleep(200);
        Thread begin = new(() => last.Begin(disk, BlockOperation.Write, 0, 512));
        begin.Start();
        bool hasBegun = begin.Join(TimeSpan.FromSeconds(10));
        disk.Submit();
        Assert.True(begin.Join(TimeSpan.FromSeconds(30)));
        disk.Submit();

        Assert.True(left.Wait(TimeSpan.FromSeconds(60)), "requests do not end");
        Assert.True(hasBegun, "a request could not begin before another was handed over");
    }

    [Fact]
    public void Raw_MoreBlockedWritesThanThreads_AllEnd()
    {
        const int Misaligned = 20, Rounds = 200;
        using TemporaryFolder folder = new();
        using SemaphoreSlim ended = new(0);
        SlotRequest[] misaligned = [.. Enumerable.Range(0, Misaligned).Select(i => new SlotRequest(i, 1024, _ => ended.Release()))];
        SlotRequest aligned = new(Misaligned, 4096, _ => ended.Release());
        DiskImages.CreateRaw(folder["disk"], 8 << 20).Dispose();
        DiskImageBase disk = (DiskImageBase)DiskImages.Open(folder["disk"], ImageFormat.Raw, new() { Direct = true });
        disk.UseEngine(new BlockEngine("test", AioMode.Threads));
        for (int round = 0; round < Rounds; round++)
        {
            foreach (SlotRequest request in misaligned) request.Begin(disk, BlockOperation.Write, (ulong)(request.Owner * 8192 + 100), 1024);
            aligned.Begin(disk, BlockOperation.Write, 1 << 20, 4096);
            for (int i = 0; i <= Misaligned; i++) Assert.True(ended.Wait(TimeSpan.FromSeconds(20)), $"round {round}: requests do not end");
        }

        // Not before, because it waits for what is under way.
        disk.Dispose();
    }

    [Theory]
    [InlineData(ImageFormat.Raw)]
    [InlineData(ImageFormat.Qcow2)]
    public void Overlay_ManyUnderWay_TakesWritesAndShowsWhatIsBelow(ImageFormat format)
    {
        using TemporaryFolder folder = new();
        byte[] below = new byte[(8 << 20) - 512];
        new Random(4).NextBytes(below);
        File.WriteAllBytes(folder["raw"], below);
        QemuImg.Run("convert", "-f", "raw", "-O", format == ImageFormat.Raw ? "raw" : "qcow2", folder["raw"], folder["disk"]);
        using DiskImageBase disk = (DiskImageBase)DiskImages.Overlay(DiskImages.Open(folder["disk"], format, new() { ReadOnly = true }), folder.Path);
        disk.UseEngine(new BlockEngine("test", AioMode.Auto));
        using DiskUnderLoad load = new(disk, Requests, 8192, seed: 5);
        below.CopyTo(load.Content, 0);
        load.Run(4000);
        new DiskModel(new Random(), load.Content).Verify(disk);
    }

    [Theory]
    [InlineData(ImageFormat.Raw)]
    [InlineData(ImageFormat.Qcow2)]
    public void Dispose_RequestsUnderWay_WaitsForThem(ImageFormat format)
    {
        using TemporaryFolder folder = new();
        int ended = 0;
        SlotRequest[] requests = [.. Enumerable.Range(0, 200).Select(i => new SlotRequest(i, 65536, _ => Interlocked.Increment(ref ended)))];
        DiskImageBase disk = (DiskImageBase)(format == ImageFormat.Raw
            ? DiskImages.CreateRaw(folder["disk"], 16 << 20) : DiskImages.CreateQcow2(folder["disk"], new() { SizeBytes = 16 << 20 }));
        disk.UseEngine(new BlockEngine("test", AioMode.Auto));
        foreach (SlotRequest request in requests) request.Begin(disk, request.Owner % 10 == 0 ? BlockOperation.Flush : BlockOperation.Write, (ulong)request.Owner * 65536, 65536);
        disk.Dispose();
        Assert.Equal(requests.Length, ended);
        Assert.All(requests, r => Assert.Equal(BlockResult.Ok, r.Result));
    }

    [Fact]
    public void Begin_Impossible_EndsWithTheReason()
    {
        using TemporaryFolder folder = new();
        SlotRequest request = new(0, 4096, _ => { });
        using DiskImageBase disk = (DiskImageBase)DiskImages.CreateRaw(folder["disk"], 1 << 20);
        disk.UseEngine(new BlockEngine("test", AioMode.Auto));
        foreach (BlockOperation operation in new[] { BlockOperation.Read, BlockOperation.Write, BlockOperation.Discard, BlockOperation.WriteZeroes })
        {
            request.Begin(disk, operation, (1 << 20) - 512, 1024);
            Assert.Equal(BlockResult.OutOfRange, request.Result);
            request.Begin(disk, operation, ulong.MaxValue, 512);
            Assert.Equal(BlockResult.OutOfRange, request.Result);
        }
    }

    [Fact]
    public void Write_HostHasNoRoom_EachFailureIsToldAndTheRestStaysGood()
    {
        RecordingFile empty = new([]);
        Qcow2Creator.Create(empty, new Qcow2CreateOptions { SizeBytes = 8 << 20, ClusterBytes = 4096 });
        RecordingFile file = new(empty.Content) { MostBytes = 1 << 20 };
        List<BlockFailure> failures = [];
        int full = 0;
        using (DiskImageBase disk = (DiskImageBase)DiskImages.OpenQcow2(file, null))
        {
            disk.Report = failures.Add;
            disk.UseEngine(new BlockEngine("test", AioMode.Threads));
            using SemaphoreSlim ended = new(0);
            SlotRequest request = new(0, 8192, _ => ended.Release());
            for (ulong at = 0; at < disk.SizeBytes; at += 8192)
            {
                request.Begin(disk, BlockOperation.Write, at, 8192);
                Assert.True(ended.Wait(TimeSpan.FromSeconds(30)));
                if (request.Result == BlockResult.NoSpace) full++;
                else Assert.Equal(BlockResult.Ok, request.Result);
            }
        }

        Assert.InRange(full, 100, 1000);
        Assert.Equal(full, failures.Count);
        Assert.All(failures, f => Assert.Equal((BlockOperation.Write, BlockResult.NoSpace, 8192UL), (f.Operation, f.Result, f.Count)));
        Assert.Contains("full", failures[0].Message, StringComparison.Ordinal);
        using Qcow2Image check = new(file, Qcow2Header.Read(file), null, Qcow2OpenMode.Check);
        Assert.Equal(0UL, (ulong)check.Check(Tools.ImageRepair.None, null).Corruptions);
    }

    [Fact]
    public void Flushes_ManyAtOnce_ShareOne()
    {
        using CountdownEvent left = new(64);
        using FlushCounter disk = new();
        disk.UseEngine(new BlockEngine("test", AioMode.Threads));
        for (int i = 0; i < 64; i++) new SlotRequest(i, 512, _ => left.Signal()).Begin(disk, BlockOperation.Flush, 0, 0);
        disk.Go.Set();
        Assert.True(left.Wait(TimeSpan.FromSeconds(30)));
        Assert.InRange(disk.Flushes, 1, 2);
    }

    [Fact]
    public void Overwrite_PageCache_AllocatesNothing()
    {
        using TemporaryFolder folder = new();
        using DiskImageBase disk = (DiskImageBase)DiskImages.CreateQcow2(folder["disk"], new() { SizeBytes = 1 << 20 }, ignoreFlush: true);
        disk.Write(0, new byte[65536]);
        disk.UseEngine(new BlockEngine("test", AioMode.Auto));
        SlotRequest request = new(0, 4096, _ => { });
        for (int i = 0; i < 100; i++) Work();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) Work();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Work()
        {
            request.Begin(disk, BlockOperation.Read, 8192, 4096);
            request.Begin(disk, BlockOperation.Write, 8192, 4096);
        }
    }
}
