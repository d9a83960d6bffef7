using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage.Qcow2;
using Vmm.Storage.Tools;

namespace Vmm.Storage.Tests;

/// <summary>Power failures while several threads write, discard and flush: what a flush has promised holds whatever the others do meanwhile.</summary>
public class Qcow2ConcurrentCrashTests
{
    private const int DiskBytes = 1 << 20;
    private const int SlotBytes = 4096;
    private const int Threads = 4;
    private const int Steps = 60;

    [Theory]
    [InlineData(1, 512, 16)]
    [InlineData(2, 4096, 16)]
    [InlineData(3, 65536, 16)]
    [InlineData(4, 16384, 64)]
    public void Failure_WhileManyWriteAndFlush_LeavesLeaksAtMostAndFlushedData(int seed, int clusterBytes, int refcountBits)
    {
        RecordingFile empty = new([]);
        Qcow2Creator.Create(empty, new Qcow2CreateOptions { SizeBytes = DiskBytes, ClusterBytes = clusterBytes, RefcountBits = refcountBits });
        RecordingFile file = new(empty.Content);
        // What was asked of each slot, in its order: nobody else writes there. Before everything: zeros, at moment 0.
        List<(int Begun, int Ended, byte Value)>[] history = new List<(int, int, byte)>[DiskBytes / SlotBytes];
        for (int i = 0; i < history.Length; i++) history[i] = [(0, 0, 0)];
        List<(int Begun, int Ended)> flushes = [];
        using (IDiskImage disk = DiskImages.OpenQcow2(file, null))
            Parallel.For(0, Threads, new ParallelOptions { MaxDegreeOfParallelism = Threads }, t => Work(new Random(seed * 100 + t), t, disk, file, history, flushes));

        Random random = new(seed);
        for (int failure = 0; failure < 40; failure++)
        {
            int cut = random.Next(file.Changes + 1);
            Judge(file.AfterFailure(cut, () => random.Next(2) == 0), history, flushes, cut, $"seed {seed}, cut {cut}");
        }
    }

    private static void Work(Random random, int thread, IDiskImage disk, RecordingFile file, List<(int Begun, int Ended, byte Value)>[] history, List<(int Begun, int Ended)> flushes)
    {
        byte[] data = new byte[SlotBytes];
        for (int step = 0; step < Steps; step++)
        {
            int slot = random.Next(history.Length / Threads) * Threads + thread;
            int begun = file.Changes;
            byte value = 0;
            switch (random.Next(8))
            {
                case 0 or 1:
                    Assert.Equal(BlockResult.Ok, disk.Flush());
                    lock (flushes) flushes.Add((begun, file.Changes));
                    continue;
                case 2:
                    Assert.Equal(BlockResult.Ok, disk.WriteZeroes((ulong)slot * SlotBytes, SlotBytes, mayUnmap: true));
                    break;
                default:
                    value = (byte)random.Next(1, 256);
                    data.AsSpan().Fill(value);
                    Assert.Equal(BlockResult.Ok, disk.Write((ulong)slot * SlotBytes, data));
                    break;
            }

            lock (history[slot]) history[slot].Add((begun, file.Changes, value));
        }
    }

    private static void Judge(byte[] content, List<(int Begun, int Ended, byte Value)>[] history, List<(int Begun, int Ended)> flushes, int cut, string where)
    {
        RecordingFile file = new(content);
        using (Qcow2Image check = new(file, Qcow2Header.Read(file), null, Qcow2OpenMode.Check))
        {
            Assert.True(check.Check(ImageRepair.None, null) is { Corruptions: 0 }, $"{where}: corrupt");
            Assert.True(check.Check(ImageRepair.Leaks, null).IsClean, where);
        }

        using IDiskImage disk = DiskImages.OpenQcow2(new RecordingFile(file.Content), null);
        byte[] read = new byte[DiskBytes];
        Assert.Equal(BlockResult.Ok, disk.Read(0, read));
        int promised = flushes.Where(f => f.Ended <= cut).Select(f => f.Begun).DefaultIfEmpty(0).Max();
        for (int slot = 0; slot < history.Length; slot++)
        {
            // The last write that a flush covers, or any later one that had begun; bytes may be torn between those.
            int last = history[slot].FindLastIndex(w => w.Ended <= promised);
            HashSet<byte> allowed = [.. history[slot].Skip(last).Where(w => w.Begun <= cut).Select(w => w.Value)];
            foreach (byte found in read.AsSpan(slot * SlotBytes, SlotBytes))
                Assert.True(allowed.Contains(found), $"{where}: slot {slot} holds {found}, not one of {string.Join(", ", allowed)}");
        }
    }
}
