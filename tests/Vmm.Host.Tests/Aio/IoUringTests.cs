using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Core.Backends;
using Vmm.Host.Aio;
using Vmm.Host.Native;

namespace Vmm.Host.Tests.Aio;

/// <summary>Transfers by every means: at once, through the ring, on a thread; in the cache and past it.</summary>
public sealed class IoUringTests : IDisposable
{
    private const int FileBytes = 300_000;

    private readonly string _path = Path.GetTempFileName();
    private readonly byte[] _content = new byte[FileBytes];

    public IoUringTests()
    {
        new Random(1).NextBytes(_content);
        File.WriteAllBytes(_path, _content);
    }

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Layouts_AreTheKernels()
    {
        Assert.Equal(120, Unsafe.SizeOf<Libc.IoUringParams>());
        Assert.Equal(64, Unsafe.SizeOf<Libc.IoUringSqe>());
        Assert.Equal(16, Unsafe.SizeOf<Libc.IoUringCqe>());
        Assert.Equal(256, Unsafe.SizeOf<Libc.StatxFacts>());
        Assert.Equal(100, (int)Marshal.OffsetOf<Libc.IoUringParams>(nameof(Libc.IoUringParams.CqCqes)));
        Assert.Equal(32, (int)Marshal.OffsetOf<Libc.IoUringSqe>(nameof(Libc.IoUringSqe.UserData)));
    }

    [UringTheory]
    [InlineData(0, 65536, 1)]
    [InlineData(4096, 200_000, 7)]
    [InlineData(12345, 54321, 1000)]
    [InlineData(FileBytes - 1000, 5000, 3)]
    [InlineData(FileBytes + 100, 5000, 2)]
    public void Read_ThroughTheRing_GivesTheFileAndZerosBehindIt(int offset, int count, int pieces)
    {
        using BlockFile file = BlockFile.Open(_path, readOnly: true);
        using IoUring ring = new("test ring", _ => { });
        FileRequest request = new(BlockOperation.Read, new byte[count], pieces);
        CountedTransfer transfer = new();
        Assert.True(transfer.TryPrepare(file, (ulong)offset, request));
        Assert.True(ring.TryAdd(transfer));
        ring.Submit();
        transfer.Wait();
        Assert.Equal(0, transfer.Error);
        Assert.True(request.Data.SequenceEqual(Expected(offset, count)));
    }

    [UringFact]
    public void Write_ThousandsFromManyThreads_AllAreInTheFile()
    {
        const int Writers = 4, PerWriter = 500;
        using CountdownEvent left = new(Writers * PerWriter);
        using (BlockFile file = BlockFile.Open(_path, readOnly: false))
        using (IoUring ring = new("test ring", t => ThreadPool.QueueUserWorkItem(_ => t.RunToEnd())))
        {
            Thread[] threads = [.. Enumerable.Range(0, Writers).Select(writer => new Thread(() => Write(file, ring, writer)))];
            foreach (Thread thread in threads) thread.Start();
            Assert.True(left.Wait(TimeSpan.FromSeconds(60)));
            foreach (Thread thread in threads) thread.Join();
        }

        byte[] found = File.ReadAllBytes(_path);
        for (int i = 0; i < Writers * PerWriter; i++) Assert.Equal((byte)(i % Writers + i / Writers), found[i * 512 + 511]);

        void Write(BlockFile file, IoUring ring, int writer)
        {
            for (int i = 0; i < PerWriter; i++)
            {
                byte[] data = new byte[512];
                data.AsSpan().Fill((byte)(writer + i));
                CountedTransfer transfer = new(() => left.Signal());
                transfer.TryPrepare(file, (ulong)(i * Writers + writer) * 512, new FileRequest(BlockOperation.Write, data, 2));
                while (!ring.TryAdd(transfer)) ring.Submit();
                if (i % 8 == 0) ring.Submit();
            }

            ring.Submit();
            // The kernel cancels what a thread leaves behind.
            left.Wait(TimeSpan.FromSeconds(60));
        }
    }

    [UringFact]
    public void Dispose_TransfersAdded_WaitsForThem()
    {
        using BlockFile file = BlockFile.Open(_path, readOnly: false);
        IoUring ring = new("test ring", t => t.RunToEnd());
        CountedTransfer[] transfers = [.. Enumerable.Range(0, 100).Select(_ => new CountedTransfer())];
        foreach (CountedTransfer transfer in transfers)
        {
            Assert.True(transfer.TryPrepare(file, 0, new FileRequest(BlockOperation.Write, new byte[4096], 1)));
            Assert.True(ring.TryAdd(transfer));
        }

        ring.Dispose();
        Assert.All(transfers, t => Assert.Equal(0, t.Error));
        Assert.False(ring.TryAdd(transfers[0]));
    }

    [UringFact]
    public void Write_FileIsReadOnly_EndsWithTheError()
    {
        using BlockFile file = BlockFile.Open(_path, readOnly: true);
        using IoUring ring = new("test ring", _ => { });
        CountedTransfer transfer = new();
        Assert.True(transfer.TryPrepare(file, 0, new FileRequest(BlockOperation.Write, new byte[512], 1)));
        ring.TryAdd(transfer);
        ring.Submit();
        transfer.Wait();
        Assert.Equal(Errno.EBADF, transfer.Error);
    }

    [Fact]
    public void TryNow_CachedRead_EndsAtOnce()
    {
        using BlockFile file = BlockFile.Open(_path, readOnly: true);
        FileRequest request = new(BlockOperation.Read, new byte[10_000], 3);
        CountedTransfer transfer = new();
        transfer.TryPrepare(file, FileBytes - 5000, request);
        if (!transfer.TryNow()) transfer.RunToEnd();
        else transfer.Finish();
        Assert.Equal(0, transfer.Error);
        Assert.True(request.Data.SequenceEqual(Expected(FileBytes - 5000, 10_000)));
    }

    [Theory]
    [InlineData(0, 4096, 0)]
    [InlineData(1, 1, 0)]
    [InlineData(700, 1000, 4)]
    [InlineData(4096, 8192, 100)]
    [InlineData(FileBytes - 100, 100, 0)]
    [InlineData(FileBytes - 1000, 5000, 1)]
    public void Direct_AnyAlignment_WritesJustThatAndNoMore(int offset, int count, int misalignment)
    {
        using (BlockFile file = BlockFile.Open(_path, readOnly: false, direct: true))
        {
            byte[] data = new byte[count];
            new Random(2).NextBytes(data);
            FileRequest write = new(BlockOperation.Write, data, 3 > count ? 1 : 3, misalignment);
            Assert.Equal(0, file.Write((ulong)offset, write.Vectors));
            byte[] expected = new byte[Math.Max(FileBytes, offset + count)];
            _content.CopyTo(expected, 0);
            data.CopyTo(expected, offset);
            FileRequest read = new(BlockOperation.Read, new byte[expected.Length + 3000], 5, misalignment);
            Assert.Equal(0, file.Read(0, read.Vectors));
            Assert.True(read.Data[..expected.Length].SequenceEqual(expected));
            Assert.True(read.Data[expected.Length..].IndexOfAnyExcept((byte)0) < 0);
        }

        Assert.Equal(Math.Max(FileBytes, offset + count), new FileInfo(_path).Length);
    }

    [Fact]
    public void Direct_NotAligned_IsNoTransfer()
    {
        using BlockFile file = BlockFile.Open(_path, readOnly: false, direct: true);
        Assert.False(new CountedTransfer().TryPrepare(file, 100, new FileRequest(BlockOperation.Write, new byte[4096], 1)));
        Assert.True(new CountedTransfer().TryPrepare(file, 4096, new FileRequest(BlockOperation.Write, new byte[4096], 1)));
    }

    private byte[] Expected(int offset, int count)
    {
        byte[] expected = new byte[count];
        if (offset < FileBytes) _content.AsSpan(offset, Math.Min(count, FileBytes - offset)).CopyTo(expected);
        return expected;
    }
}
