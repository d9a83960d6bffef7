using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Devices.Virtio.Balloon;
using Vmm.Devices.Virtio.Block;
using Vmm.Devices.Virtio.Console;
using Vmm.Devices.Virtio.Net;
using Vmm.Devices.Virtio.Rng;
using Vmm.Host;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

/// <summary>A driver gone mad: random registers, random rings, descriptors anywhere, loops, resets in the middle of I/O.</summary>
public class VirtioHostileTests
{
    private const int Steps = 120_000;

    [Theory]
    [InlineData("rng", 1)]
    [InlineData("blk", 2)]
    [InlineData("blk", 3)]
    [InlineData("blk-late", 5)]
    [InlineData("console", 4)]
    [InlineData("rng", 5, true)]
    [InlineData("blk", 6, true)]
    [InlineData("console", 7, true)]
    [InlineData("balloon", 8)]
    [InlineData("balloon", 9, true)]
    [InlineData("net", 8)]
    [InlineData("net", 9, true)]
    [InlineData("ports", 10)]
    [InlineData("ports", 11, true)]
    public void Device_Tormented_NeverThrowsNeverFloodsAndServesAgainAfterwards(string kind, int seed, bool isPacked = false)
    {
        MemoryDisk disk = new(1 << 20);
        FakeChar host = new(), named = new();
        using MappedMemory mapped = new(VirtioBench.MemoryBytes);
        GuestMemory memory = new(mapped.RamRegions(), mapped);
        FakeClock clock = new();
        VirtioBalloonOptions balloon = new() { Reporting = true, DeflateOnOom = true, StatisticsIntervalNs = 1000 };
        FakeNet link = new(queues: 2);
        using VirtioBench bench = new(workers => kind switch
        {
            "balloon" => new VirtioBalloon(memory, balloon, clock, workers),
            "rng" => new VirtioRng(new SeededEntropy(seed), workers),
            "blk" or "blk-late" => new VirtioBlock(disk, new VirtioBlockOptions { QueueCount = 2, QueueSize = 16 }, workers),
            "net" => new VirtioNet(link, new VirtioNetOptions { Mac = new MacAddress(0x5254_0012_3456), QueuePairs = 2, QueueSize = 16 }, workers),
            "console" => new VirtioConsole(host, workers),
            _ => new VirtioConsole([new(host), new(new FakeChar()), new(named, "name")], workers),
        }, memory);
        bench.Driver.UsesPacked = isPacked;
        Random random = new(seed);
        int starts = 0;
        disk.DuringIo = () =>
        {
            if (random.Next(16) == 0) bench.Driver.Status = 0;
        };
        link.DuringTransfer = disk.DuringIo;
        VirtioDriver.Ring[] rings = bench.Start();
        HostileGuest guest = new(seed)
        {
            Meanwhile = r =>
            {
                if (kind == "net") Disturb(link, r);
                if (kind is "console" or "ports") host.Type("x");
                if (kind == "ports") MeddleWithPorts(bench, rings, named, r);
                disk.Outcome = (BlockResult)r.Next(7);
                if (r.Next(64) == 0) disk.Resize(512 * r.Next(1, 4096));
                bench.Workers.Run();
                while (disk.Held is { Count: > 0 } held && r.Next(4) != 0) disk.EndHeld(r.Next(held.Count));
            },
        };
        for (int step = 0; step < Steps; step++)
        {
            int choice = random.Next(100);
            if (choice < 70) WreckRings(bench, rings, random);
            else if (choice < 90) guest.Torment(1, clock, bench.Guest.Mmio);
            else bench.Workers.Run();
            if (step % 97 != 0) continue;
            EndAll(bench, disk);
            bench.Config.Command(6);
            bench.Bus.PlaceBars();
            if (random.Next(4) == 0) StateContract.Check(bench.Transport, bench.Transport);
            rings = bench.Start();
            starts++;
        }

        disk.DuringIo = link.DuringTransfer = null;
        link.SetFull(false);
        disk.Outcome = BlockResult.Ok;
        EndAll(bench, disk);
        disk.Held = null;
        Assert.True(bench.Diagnostics.Count <= starts + Steps / 97 + Steps / 50, $"{bench.Diagnostics.Count} lines for {starts} lives");
        Assert.NotEmpty(bench.Diagnostics);
        rings = bench.Start();
        if (kind == "rng") Assert.Equal(32u, rings[0].Request([], [32]).Length);
        if (kind is "blk" or "blk-late") Assert.Equal(21u, rings[0].Request([[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]], [20, 1]).Length);
        if (kind == "balloon") rings[0].Request([new byte[16]], []);
        if (kind == "net") rings[1].Request([new byte[12 + 60]], []);
        if (kind is "console" or "ports") rings[1].Request(["still here"u8.ToArray()], []);
    }

    /// <summary>Nearly good control messages in the driver's buffers, and a host end that is restless.</summary>
    private static void MeddleWithPorts(VirtioBench bench, VirtioDriver.Ring[] rings, FakeChar named, Random random)
    {
        bench.Memory.TryWrite(new GuestAddress(rings[3].Buffers), (uint)random.Next(5));
        bench.Memory.TryWrite(new GuestAddress(rings[3].Buffers + 4), (ushort)random.Next(9));
        bench.Memory.TryWrite(new GuestAddress(rings[3].Buffers + 6), (ushort)random.Next(2));
        named.Connect(random.Next(2) == 0);
        named.Resize(new((ushort)random.Next(300), (ushort)random.Next(100)));
        named.Type("y");
    }

    private static void Disturb(FakeNet link, Random random)
    {
        byte[] frame = new byte[12 + random.Next(random.Next(8) == 0 ? 65554 : 2000)];
        random.NextBytes(frame.AsSpan(0, Math.Min(frame.Length, 12 + 20)));
        if (random.Next(2) == 0) frame.AsSpan(0, Math.Min(frame.Length, 12)).Clear();
        if (link.Waiting(0) < 64) link.Give(random.Next(2), frame);
        link.SetFull(random.Next(4) == 0);
        if (random.Next(16) == 0) link.IsLinkUp = !link.IsLinkUp;
    }

    private static void EndAll(VirtioBench bench, MemoryDisk disk)
    {
        bench.Workers.Run();
        while (disk.Held is { Count: > 0 }) disk.EndHeld(0);
        bench.Workers.Run();
    }

    private static void WreckRings(VirtioBench bench, VirtioDriver.Ring[] rings, Random random)
    {
        VirtioDriver.Ring ring = rings[random.Next(rings.Length)];
        int choice = random.Next(9);
        if (ring.Packed is { } packed && choice is 0 or 3 or 5)
        {
            WreckPacked(bench, ring, packed, random);
            return;
        }

        switch (choice)
        {
            case 0:
                // A request that is nearly right.
                uint type = (uint)random.Next(15);
                bench.Memory.TryWrite(new GuestAddress(ring.Buffers), type);
                bench.Memory.TryWrite(new GuestAddress(ring.Buffers + 8), (ulong)random.Next(4096));
                ring.Describe(ring.Descriptors, 0, ring.Buffers, 16, 1, 1);
                ring.Describe(ring.Descriptors, 1, ring.Buffers + 512, (uint)random.Next(4) * 512, (ushort)(1 | (random.Next(2) << 1)), 2);
                ring.Describe(ring.Descriptors, 2, ring.Buffers + 4096, 1, 2, 0);
                ring.Offer(0);
                break;
            case 1:
                ring.Describe(ring.Descriptors, random.Next(ring.Size), Address(random), (uint)random.NextInt64(1L << random.Next(1, 33)), (ushort)random.Next(8), (ushort)random.Next(ring.Size + 1));
                break;
            case 2:
                ring.Describe(ring.Descriptors, random.Next(ring.Size), ring.Buffers + (ulong)random.Next(8192), (uint)random.Next(64) * 16, (ushort)random.Next(8), (ushort)random.Next(ring.Size));
                break;
            case 3:
                bench.Memory.TryWrite(new GuestAddress(ring.Available + (ulong)random.Next(64)), (byte)random.Next(256));
                break;
            case 4:
                ring.Kick();
                break;
            case 5:
                ring.Offer((ushort)random.Next(ring.Size + (random.Next(16) == 0 ? 1 : 0)));
                break;
            case 6:
                ulong common = bench.Driver.Common;
                int[] offsets = [0, 4, 8, 12, 16, 20, 22, 24, 26, 28, 32, 40, 48, 58];
                int width = random.Next(3) switch { 0 => 1, 1 => 2, _ => 4 };
                bench.Guest.Store(common + (ulong)offsets[random.Next(offsets.Length)], (ulong)random.NextInt64(1L << random.Next(1, 33)), width);
                break;
            default:
                bench.Workers.Run();
                break;
        }
    }

    private static void WreckPacked(VirtioBench bench, VirtioDriver.Ring ring, PackedQueueDriver packed, Random random)
    {
        switch (random.Next(4))
        {
            case 0 when packed.Free >= 3:
                // A request that is nearly right.
                bench.Memory.TryWrite(new GuestAddress(ring.Buffers), (uint)random.Next(15));
                bench.Memory.TryWrite(new GuestAddress(ring.Buffers + 8), (ulong)random.Next(4096));
                packed.Offer([new(ring.Buffers, 16, false), new(ring.Buffers + 512, (uint)random.Next(4) * 512, random.Next(2) == 0), new(ring.Buffers + 4096, 1, true)],
                    random.Next(2) == 0 ? ring.Buffers - 0x1000 : 0);
                break;
            case 1:
                // A descriptor that says it is available, in this round or in the other.
                packed.Describe(ring.Descriptors + 16 * (ulong)random.Next(ring.Size), random.Next(2) == 0 ? ring.Buffers : Address(random), (uint)random.Next(1 << random.Next(1, 20)),
                    (ushort)random.Next(ring.Size + 1), (ushort)((random.Next(2) == 0 ? 0x80 : 0x8000) | random.Next(8)));
                break;
            case 2:
                bench.Memory.TryWrite(new GuestAddress(ring.Available + (ulong)random.Next(4)), (byte)random.Next(256));
                break;
            default:
                bench.Memory.TryWrite(new GuestAddress(ring.Descriptors + (ulong)random.Next(16 * ring.Size)), (byte)random.Next(256));
                break;
        }

        ring.Kick();
    }

    private static ulong Address(Random random) => random.Next(4) switch
    {
        0 => VirtioBench.MemoryBytes - (ulong)random.Next(64),
        1 => ulong.MaxValue - (ulong)random.Next(64),
        2 => (ulong)random.NextInt64(),
        _ => (ulong)random.NextInt64((long)VirtioBench.MemoryBytes),
    };
}
