using Vmm.Core.Backends;
using Vmm.DeviceModel.VhostUser.Client;
using Vmm.DeviceModel.VhostUser.Server;
using Vmm.Devices.Virtio.Net;
using Vmm.TestKit;
using static Vmm.DeviceModel.Tests.DeviceModelBench;

namespace Vmm.DeviceModel.Tests;

/// <summary>Our front end against our back end: the driver sees the device as if it were in its own process.</summary>
public sealed class FrontAndBackEndTests
{
    [Theory]
    [InlineData(false, false, false)]
    [InlineData(false, true, true)]
    [InlineData(true, false, true)]
    [InlineData(true, true, false)]
    public void RandomWritesAndReads_EveryQueue_DiskAndModelAgree(bool packed, bool eventIndex, bool indirect)
    {
        using DeviceModelBench bench = new();
        VirtioDriver.Ring[] rings = bench.Start(packed, eventIndex ? 0 : VirtioDriver.EventIndex);
        byte[] model = new byte[DiskBytes];
        Random random = new(11);
        for (int i = 0; i < 500; i++)
        {
            VirtioDriver.Ring ring = rings[random.Next(rings.Length)];
            int sectors = random.Next(1, 17), sector = random.Next(DiskBytes / SectorBytes - sectors);
            if (random.Next(2) == 0)
            {
                byte[] data = new byte[sectors * SectorBytes];
                random.NextBytes(data);
                Assert.Equal(0, Request(ring, [Header(Out, (ulong)sector), data], [1], indirect).Written[^1]);
                data.CopyTo(model, sector * SectorBytes);
            }
            else
            {
                (byte[] written, _) = Request(ring, [Header(In, (ulong)sector)], [sectors * SectorBytes, 1], indirect);
                Assert.Equal(0, written[^1]);
                Assert.Equal(model.AsSpan(sector * SectorBytes, sectors * SectorBytes), written.AsSpan(0, sectors * SectorBytes));
            }
        }

        Assert.Equal(model, bench.Disk.Content);
        Assert.Empty(bench.Bench.Diagnostics);
        Assert.Empty(bench.Notes);
    }

    [Fact]
    public void Configuration_OfTheBackEnd_IsTheGuests()
    {
        using DeviceModelBench bench = new();
        Assert.Equal((uint)(DiskBytes / SectorBytes), bench.Bench.Guest.Load32(bench.Bench.Driver.Device));
        Assert.Equal(2u, bench.Bench.Guest.Load(bench.Bench.Driver.Device + 34, 2));
    }

    [Fact]
    public void Resize_InTheBackEnd_TellsTheDriver()
    {
        using DeviceModelBench bench = new();
        bench.Start();
        bench.Disk.Resize(2 * DiskBytes);
        WaitFor(() => bench.Bench.Guest.Load32(bench.Bench.Driver.Device) == 2 * DiskBytes / SectorBytes, "the size stays");
        WaitFor(() => bench.Bench.Guest.Load(bench.Bench.Driver.Isr, 1) is 2 or 3, "no interrupt");
    }

    [Fact]
    public void WriteCache_TheDriversChoice_ReachesTheBackEndAndSurvivesItsDeath()
    {
        using DeviceModelBench bench = new();
        VirtioDriver.Ring ring = bench.Start()[0];
        bench.Bench.Guest.Store(bench.Bench.Driver.Device + 32, 0, 1);
        byte[] data = new byte[SectorBytes];
        WaitFor(() =>
        {
            Request(ring, [Header(Out, 1), data], [1]);
            return bench.Disk.Flushes != 0;
        }, "writes are not written through");
        bench.Kill();
        WaitFor(() => bench.FrontEnd.Reconnections == 1, "no other back end");
        int flushes = bench.Disk.Flushes;
        Request(ring, [Header(Out, 1), data], [1]);
        WaitFor(() =>
        {
            Request(ring, [Header(Out, 1), data], [1]);
            return bench.Disk.Flushes > flushes;
        }, "the successor does not write through");
    }

    [Fact]
    public void Interrupts_WithMsiX_ArriveForEachQueue()
    {
        using DeviceModelBench bench = new();
        bench.Bench.EnableMsix();
        VirtioDriver.Ring[] rings = bench.Start();
        foreach (VirtioDriver.Ring ring in rings)
        {
            Request(ring, [Header(In, 0)], [SectorBytes, 1]);
            WaitFor(() => bench.Bench.Msi.CountOf(0x41u + (uint)ring.Index) != 0, $"no interrupt for queue {ring.Index}");
        }
    }

    [Fact]
    public void Reset_AndAnotherDriver_BeginsAnew()
    {
        using DeviceModelBench bench = new();
        for (int life = 0; life < 5; life++)
        {
            VirtioDriver.Ring ring = bench.Start(packed: life % 2 == 1)[1];
            for (int i = 0; i < 3; i++) Assert.Equal(0, Request(ring, [Header(In, 0)], [SectorBytes, 1]).Written[^1]);
            bench.Bench.Driver.Status = 0;
            WaitFor(() => bench.Bench.Driver.Status == 0, "the reset does not end");
        }

        Assert.Empty(bench.Notes);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void HoldAndRelease_WhileRequestsRun_LoseNothing(bool packed)
    {
        using DeviceModelBench bench = new();
        VirtioDriver.Ring[] rings = bench.Start(packed);
        for (int i = 0; i < 20; i++)
        {
            bench.Bench.Transport.Hold();
            WaitFor(() => bench.Bench.Transport.IsIdle, "it does not come to rest");
            if (i % 2 == 0)
            {
                // Saved and restored in place.
                bench.Bench.Transport.Restore(bench.Bench.Transport.Save());
            }

            bench.Bench.Transport.Release();
            foreach (VirtioDriver.Ring ring in rings) Assert.Equal(0, Request(ring, [Header(In, 3)], [SectorBytes, 1]).Written[^1]);
        }
    }

    [Fact]
    public void Net_WithItsControlQueue_WorksInBothDirections()
    {
        FakeNet net = new();
        using DeviceModelBench bench = new(1, workers => new VirtioNet(net, new VirtioNetOptions { Mac = new MacAddress(0x525400123456), QueueSize = 64 }, workers), VhostUserKind.Net);
        VirtioDriver.Ring[] rings = bench.Start(without: VirtioDriver.EventIndex);
        Assert.Equal(3, rings.Length);
        // Receive, send, command (promiscuous on).
        rings[0].Describe(rings[0].Descriptors, 0, rings[0].Buffers, 2048, 2, 0);
        rings[0].Offer(0);
        net.Give(0, [.. new byte[12], .. Enumerable.Repeat((byte)7, 60)]);
        WaitFor(() => rings[0].HasUsed, "no frame came");
        Assert.Equal(72u, rings[0].Take()!.Value.Length);
        Request(rings[1], [new byte[12], Enumerable.Repeat((byte)9, 60).ToArray()], []);
        Assert.Equal(72, net.Sent.Single().Bytes.Length);
        Assert.Equal(0, Request(rings[2], [[0, 0], [1]], [1]).Written[0]);
    }

    [Fact]
    public void Net_WhatTheDriverHasChosen_SurvivesTheBackEndsDeath()
    {
        List<VirtioNet> made = [];
        using DeviceModelBench bench = new(1, workers =>
        {
            made.Add(new VirtioNet(new FakeNet(), new VirtioNetOptions { Mac = new MacAddress(0x525400123456), QueueSize = 64 }, workers));
            return made[^1];
        }, VhostUserKind.Net, device => new ChosenAddress((VirtioNet)device));
        VirtioDriver.Ring commands = bench.Start()[2];
        // VIRTIO_NET_CTRL_MAC_ADDR_SET, three times: each is kept beside the one before.
        for (byte last = 1; last <= 3; last++) Assert.Equal(0, Request(commands, [[1, 1], [0x52, 0x54, 0, 0, 0, last]], [1]).Written[0]);
        for (int death = 1; death <= 3; death++)
        {
            bench.Kill();
            WaitFor(() => made.Count == death + 1 && made[^1].Save() is { HasDriver: true }, "no successor");
            Assert.Equal(0x525400000003ul, made[^1].Save().Mac);
        }
    }

    private sealed class ChosenAddress(VirtioNet net) : IServedState
    {
        public event Action? Changed
        {
            add => net.StateChanged += value;
            remove => net.StateChanged -= value;
        }

        public byte[] Save() => BitConverter.GetBytes(net.Save().Mac);

        public void Restore(byte[] state) => net.Restore(new VirtioNetState { HasDriver = true, Mac = BitConverter.ToUInt64(state) });
    }
}
