using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Devices.Virtio.Vsock;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

/// <summary>A guest that sends nearly right packets in any order, credits and lengths, with peers on the host that do as they like.</summary>
public class VsockHostileTests
{
    private const int Steps = 120_000, StepsOfALife = 100;
    private const uint Ports = 4;

    private int _sent;
    private bool _isWrecked;
    private int _otherTypes;

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    public void Vsock_Tormented_NeverThrowsStaysBoundedAndServesAgain(int seed, bool isPacked)
    {
        FakeVsockHost host = new() { Listening = { 0, 1 } };
        VirtioVsock? vsock = null;
        using VirtioBench bench = new(workers => vsock = new VirtioVsock(VsockDriver.Cid, host, workers));
        bench.Driver.UsesPacked = isPacked;
        // Half of the packets are of messages in one run.
        _otherTypes = isPacked ? 2 : 50;
        Random random = new(seed);
        HostileGuest guest = new(seed);
        FakeClock clock = new();
        VirtioDriver.Ring[] rings = bench.Start();
        int lives = 1;
        for (int step = 0; step < Steps; step++)
        {
            switch (random.Next(20))
            {
                case < 6: SendNearlyRight(bench, rings[1], random); break;
                // Nearly each packet has an answer, which needs a buffer.
                case < 13: OfferBuffer(rings[0], random); break;
                case < 15: Play(host, random); break;
                case 15 when random.Next(20) == 0: guest.Torment(1, clock, bench.Guest.Mmio); break;
                case 16: Wreck(bench, rings[random.Next(rings.Length)], random); break;
                default: bench.Workers.Run(); break;
            }

            Assert.InRange(vsock!.Statistics.Connections, 0, VirtioVsock.MostConnections);
            if (step % StepsOfALife != 0) continue;
            bench.Workers.Run();
            bench.Config.Command(6);
            bench.Bus.PlaceBars();
            if (random.Next(2) == 0)
            {
                StateContract.Check(bench.Transport, bench.Transport);
                StateContract.Check(vsock, vsock);
            }

            host.Streams.RemoveAll(s => s.IsDisposed);
            rings = bench.Start();
            _isWrecked = false;
            lives++;
        }

        Assert.True(bench.Diagnostics.Count <= lives, $"{bench.Diagnostics.Count} lines for {lives} lives");
        Assert.True(vsock!.Statistics is { Opened: > 200, BytesFromGuest: > 3_000, BytesToGuest: > 100_000 }, $"only {vsock.Statistics}");
        bench.Driver.UsesPacked = false;
        VsockDriver driver = new(bench);
        while (driver.Take() is not null) { }
        driver.Send(VsockDriver.Request, 1, 77);
        driver.Expect(VsockDriver.Response);
        Assert.All(host.Streams.SkipLast(1), s => Assert.True(s.IsDisposed));
        vsock.Dispose();
    }

    private void SendNearlyRight(VirtioBench bench, VirtioDriver.Ring ring, Random random)
    {
        byte[] header = new byte[VsockDriver.HeaderBytes];
        int length = random.Next(3) == 0 ? random.Next(3000) : 0;
        BinaryPrimitives.WriteUInt64LittleEndian(header, random.Next(50) == 0 ? 9u : VsockDriver.Cid);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), random.Next(50) == 0 ? 0u : 2);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(16), (uint)random.Next((int)Ports));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(20), random.Next(2) == 0 ? (uint)random.Next((int)Ports) : (1u << 30) + (uint)random.Next(100));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(24), (uint)(random.Next(500) == 0 ? length + 1 : length));
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(28), (ushort)(random.Next(_otherTypes) == 0 ? 2 : 1));
        ushort[] operations = [1, 1, 2, 3, 4, 5, 5, 5, 6, 7, (ushort)random.Next(10)];
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(30), operations[random.Next(operations.Length)]);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(32), (uint)random.Next(4));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(36), (uint)(random.Next(4) == 0 ? random.NextInt64(1L << 32) : 1 << 16));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(40), (uint)(random.Next(4) == 0 ? random.NextInt64(1L << 32) : 0));
        // A place of its own: one that another packet waits in would make that one wrong, and the queue would be broken in nearly every life.
        ushort slot = (ushort)(2 * (_sent++ % (ring.Size / 2)));
        ulong at = ring.Buffers + 4096u * (slot % 128u);
        bench.Memory.TryCopyIn(new GuestAddress(at), header);
        if (ring.Packed is { } packed)
        {
            TakeUsed(packed);
            if (packed.Free >= 2) packed.Offer([new(at, VsockDriver.HeaderBytes, false), new(at + 64, (uint)length, false)]);
            return;
        }

        ring.Describe(ring.Descriptors, slot, at, VsockDriver.HeaderBytes, 1, (ushort)(slot + 1));
        ring.Describe(ring.Descriptors, slot + 1, at + 64, (uint)length, 0, 0);
        ring.Offer(slot);
    }

    private void OfferBuffer(VirtioDriver.Ring ring, Random random)
    {
        ulong at = ring.Buffers + 4096u * (uint)random.Next(32);
        uint bytes = random.Next(2000) == 0 ? 44u : (uint)random.Next(45, 4096);
        if (ring.Packed is { } packed)
        {
            TakeUsed(packed);
            if (packed.Free >= 1) packed.Offer([new(at, bytes, true)]);
            return;
        }

        ushort slot = (ushort)random.Next(ring.Size);
        ring.Describe(ring.Descriptors, slot, at, bytes, 2, 0);
        ring.Offer(slot);
    }

    private static void Play(FakeVsockHost host, Random random)
    {
        if (random.Next(8) == 0) host.Ask((uint)random.Next((int)Ports), (VsockKind)random.Next(2));
        List<FakeVsockStream> alive = host.Streams.FindAll(s => !s.IsDisposed);
        if (alive.Count == 0) return;
        FakeVsockStream stream = alive[random.Next(alive.Count)];
        switch (random.Next(8))
        {
            case 0: stream.End(random.Next(2) == 0); break;
            case 1: stream.IsBroken = random.Next(4) == 0; break;
            case 2: stream.Room = 0; break;
            case 3: stream.Resume(random.Next(5000)); break;
            default: stream.Say(new byte[random.Next(5000)]); break;
        }
    }

    private void Wreck(VirtioBench bench, VirtioDriver.Ring ring, Random random)
    {
        if (random.Next(20) != 0) return;
        ulong at = ring.Descriptors + (ulong)random.Next(16 * ring.Size);
        bench.Memory.TryWrite(new GuestAddress(at), (byte)random.Next(256));
        ring.Kick();
        _isWrecked = true;
    }

    // Places come free only by looking: without this a life is over after one round of the ring. In a wrecked ring there is nothing to be seen.
    private void TakeUsed(PackedQueueDriver ring)
    {
        while (!_isWrecked && ring.Take() is not null) { }
    }
}
