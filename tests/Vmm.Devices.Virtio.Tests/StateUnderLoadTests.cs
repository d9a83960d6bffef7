using System.Buffers.Binary;
using Vmm.Devices.Virtio.Block;
using Vmm.Host;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

/// <summary>Devices with threads of their own are saved and restored in place while the driver goes on.</summary>
public sealed class StateUnderLoadTests
{
    private const int DiskBytes = 1 << 20, Sectors = DiskBytes / 512;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Block_HeldSavedRestoredReleased_EveryRequestIsServedOnce(bool isPacked)
    {
        const int Rounds = 300;
        MemoryDisk disk = new(DiskBytes);
        VirtioBlock? block = null;
        using VirtioBench bench = new(() => block = new VirtioBlock(disk, new VirtioBlockOptions { QueueCount = 2, QueueSize = 16 }, new ThreadWorkers()));
        bench.Driver.UsesPacked = isPacked;
        VirtioDriver.Ring[] rings = bench.Start();
        using CancellationTokenSource end = new();
        Task<int>[] drivers = [.. rings.Select(ring => Task.Factory.StartNew(() => Drive(ring, end.Token), TaskCreationOptions.LongRunning))];
        int[] requests;
        try
        {
            for (int i = 0; i < Rounds && !drivers.Any(d => d.IsCompleted); i++)
            {
                bench.Transport.Hold();
                Assert.True(SpinWait.SpinUntil(() => bench.Transport.IsIdle, Patience));
                byte[] content = [.. disk.Content];
                StateContract.Check(bench.Transport.Msix, bench.Transport.Msix);
                StateContract.Check(bench.Transport.Function, bench.Transport.Function);
                StateContract.Check(bench.Transport, bench.Transport);
                StateContract.Check(block!, block!);
                Assert.Equal(content, disk.Content);
                bench.Transport.Release();
                Thread.Sleep(i % 4);
            }
        }
        finally
        {
            // Also when something is wrong: the drivers must not use memory that is gone.
            bench.Transport.Release();
            await end.CancelAsync();
            requests = await Task.WhenAll(drivers).WaitAsync(Patience);
        }

        block!.Dispose();
        Assert.True(requests.Sum() > 2 * Rounds, "the driver came to nothing");
        Assert.Empty(bench.Diagnostics);
    }

    /// <summary>Writes and reads back until told to stop; each queue has its half of the disk.</summary>
    private static int Drive(VirtioDriver.Ring ring, CancellationToken end)
    {
        Random random = new(ring.Index);
        byte[] model = new byte[DiskBytes / 2];
        int requests = 0;
        for (; !end.IsCancellationRequested; requests++)
        {
            int sector = random.Next(Sectors / 2);
            ulong place = (ulong)(sector + ring.Index * (Sectors / 2));
            if (random.Next(2) == 0)
            {
                random.NextBytes(model.AsSpan(sector * 512, 512));
                Assert.Equal(0, Request(ring, 1, place, [model[(sector * 512)..((sector + 1) * 512)]], [1])[^1]);
            }
            else
            {
                byte[] read = Request(ring, 0, place, [], [512, 1]);
                Assert.Equal(0, read[^1]);
                Assert.True(model.AsSpan(sector * 512, 512).SequenceEqual(read.AsSpan(0, 512)), $"queue {ring.Index}, request {requests}: sector {sector} is not what was written");
            }
        }

        return requests;
    }

    private static byte[] Request(VirtioDriver.Ring ring, uint type, ulong sector, byte[][] readable, int[] writable)
    {
        byte[] header = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), sector);
        return ring.Request([header, .. readable], writable, pump: () => SpinWait.SpinUntil(() => ring.HasUsed, Patience)).Written;
    }
}
