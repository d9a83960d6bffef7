using Vmm.Core.Backends;
using Vmm.TestKit;
using static Vmm.DeviceModel.Tests.DeviceModelBench;

namespace Vmm.DeviceModel.Tests;

/// <summary>A back end dies with requests under way; its successor does each of them, once.</summary>
public sealed class BackEndDeathTests
{
    private const int Depth = 8;

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Death_WithRequestsUnderWay_EachIsDoneOnce(bool packed, bool eventIndex)
    {
        using DeviceModelBench bench = new(queues: 1);
        VirtioDriver.Ring ring = bench.Start(packed, eventIndex ? 0 : VirtioDriver.EventIndex)[0];
        Random random = new(5);
        for (int round = 0; round < 30; round++)
        {
            // What is held is under way; a part of it ends before the death, in any order.
            List<BlockRequest> held = [];
            bench.Disk.Held = held;
            byte[] fill = new byte[Depth];
            random.NextBytes(fill);
            Dictionary<int, int> ids = Offer(bench, ring, fill);
            WaitFor(() => held.Count == Depth, "the back end does not take the requests");
            int ended = random.Next(Depth + 1);
            for (int i = 0; i < ended; i++) bench.Disk.EndHeld(random.Next(held.Count));
            bench.Disk.Held = null;
            bench.Kill(comesBack: random.Next(2) == 0);
            // Where the successor takes its time.
            Thread.Sleep(random.Next(3));
            bench.Revive();
            int count = 0;
            WaitFor(() =>
            {
                while (TryTake(ring, out int id))
                {
                    Assert.True(ids.Remove(id), $"round {round}: {id} was given back twice, or never offered");
                    count++;
                }

                return count == Depth;
            }, $"round {round}: {Depth - count} requests were lost");
            // In the dead one's process they end, too, and nobody hears of it.
            foreach (BlockRequest request in held) request.End(((IBlockBackend)bench.Disk).Execute(request));
            for (int i = 0; i < Depth; i++) Assert.Equal(fill[i], bench.Disk.Content[i * SectorBytes]);
        }

        Assert.True(bench.FrontEnd.Reconnections >= 25, $"{bench.FrontEnd.Reconnections}");
        Assert.False(ring.HasUsed);
        Assert.Empty(bench.Bench.Diagnostics);
    }

    [Fact]
    public void Death_BeforeTheInterrupt_TheDriverIsToldAllTheSame()
    {
        using DeviceModelBench bench = new(queues: 1);
        bench.Bench.EnableMsix();
        VirtioDriver.Ring ring = bench.Start()[0];
        Request(ring, [Header(In, 0)], [SectorBytes, 1]);
        WaitFor(() => bench.Bench.Msi.Count != 0, "no interrupt");
        int before = bench.Bench.Msi.Count;
        bench.Kill();
        WaitFor(() => bench.Bench.Msi.Count > before, "no interrupt of the successor");
    }

    [Fact]
    public void Death_AndAResetMeanwhile_TheNextDriverBeginsAnew()
    {
        using DeviceModelBench bench = new(queues: 1);
        bench.Disk.Held = [];
        VirtioDriver.Ring ring = bench.Start()[0];
        Offer(bench, ring, new byte[Depth]);
        List<BlockRequest> held = bench.Disk.Held;
        WaitFor(() => held.Count == Depth, "the back end does not take the requests");
        bench.Disk.Held = null;
        bench.Kill(comesBack: false);
        bench.Bench.Driver.Status = 0;
        WaitFor(() => bench.Bench.Driver.Status == 0, "the reset waits for the dead");
        bench.Revive();
        ring = bench.Start()[0];
        Assert.Equal(0, Request(ring, [Header(In, 0)], [SectorBytes, 1]).Written[^1]);
        foreach (BlockRequest request in held) request.End(BlockResult.Ok);
    }

    /// <summary>Writes, each to a sector of its own, all at once. Gives what the driver knows them by.</summary>
    private static Dictionary<int, int> Offer(DeviceModelBench bench, VirtioDriver.Ring ring, byte[] fill)
    {
        Dictionary<int, int> ids = [];
        for (int i = 0; i < fill.Length; i++)
        {
            ulong at = ring.Buffers + (ulong)i * 4096;
            byte[] data = new byte[SectorBytes];
            Array.Fill(data, fill[i]);
            Assert.True(bench.Memory.TryCopyIn(new(at), Header(Out, (ulong)i)) && bench.Memory.TryCopyIn(new(at + 64), data));
            if (ring.Packed is { } packed)
            {
                (ushort id, bool wantsKick) = packed.Offer([new(at, 16, false), new(at + 64, SectorBytes, false), new(at + 2048, 1, true)]);
                ids.Add(id, i);
                if (wantsKick) ring.Kick();
                continue;
            }

            ushort head = (ushort)(3 * i);
            ring.Describe(ring.Descriptors, head, at, 16, 1, (ushort)(head + 1));
            ring.Describe(ring.Descriptors, head + 1, at + 64, SectorBytes, 1, (ushort)(head + 2));
            ring.Describe(ring.Descriptors, head + 2, at + 2048, 1, 2, 0);
            ids.Add(head, i);
            ring.Offer(head);
        }

        return ids;
    }

    private static bool TryTake(VirtioDriver.Ring ring, out int id)
    {
        id = 0;
        if (ring.Packed is { } packed)
        {
            if (packed.Take() is not { } used) return false;
            id = used.Id;
            return true;
        }

        if (ring.Take() is not { } element) return false;
        id = (int)element.Head;
        return true;
    }
}
