using Vmm.Core.Backends;
using Vmm.Core.State;
using Vmm.Core.Time;
using Vmm.Devices.Virtio.Net;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests.Net;

public sealed class VirtioNetTests
{
    private static readonly NetHeader Tcp4 = new(NetHeaderFlags.VIRTIO_NET_HDR_F_NEEDS_CSUM, NetSegmentation.VIRTIO_NET_HDR_GSO_TCPV4, 54, 1448, 34, 16);

    [Fact]
    public void Config_Fields_AsGiven()
    {
        using NetBench bench = new(queues: 2, mtu: 9000);
        ulong at = bench.Machine.Driver.Device;
        byte[] mac = [.. Enumerable.Range(0, 6).Select(i => (byte)bench.Machine.Guest.Load(at + (ulong)i, 1))];
        Assert.Equal([0x52, 0x54, 0, 0x12, 0x34, 0x56], mac);
        Assert.Equal((1ul, 2ul, 9000ul), (bench.Machine.Guest.Load(at + 6, 2), bench.Machine.Guest.Load(at + 8, 2), bench.Machine.Guest.Load(at + 10, 2)));
        Assert.Equal((10_000ul, 1ul), (bench.Machine.Guest.Load(at + 12, 4), bench.Machine.Guest.Load(at + 16, 1)));
    }

    [Theory]
    [InlineData(NetOffloads.None, 0UL)]
    [InlineData(NetOffloads.Tso4, 0UL)]
    [InlineData(NetOffloads.Checksum, 0x7UL)]
    [InlineData(NetOffloads.Checksum | NetOffloads.Tso4, 0x887UL)]
    [InlineData(FakeNet.AllOffloads, 0x01c0_0000_0000_3b87UL)]
    public void Offered_Offloads_FollowTheLink(NetOffloads offloads, ulong expected)
    {
        using NetBench bench = new(offloads: offloads);
        const ulong All = 0x01c0_0000_0000_3b87UL;
        Assert.Equal(expected, bench.Machine.Driver.Offered & All);
    }

    [Theory]
    [InlineData(NetBench.GuestTso4, false)]
    [InlineData(NetBench.GuestTso4 | NetBench.GuestCsum, true)]
    [InlineData(1UL << 11, false)]
    [InlineData((1UL << 11) | NetBench.Csum, true)]
    [InlineData((1UL << 13) | NetBench.Csum, false)]
    [InlineData(NetBench.Multiqueue, false)]
    [InlineData(NetBench.Multiqueue | (1UL << 17), true)]
    public void Negotiate_FeatureWithoutItsBase_Refused(ulong features, bool isGood)
    {
        using NetBench bench = new(queues: 2);
        Assert.Equal(isGood, bench.Machine.Driver.Negotiate(features | VirtioDriver.Version1));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Send_Frame_ReachesTheLinkWithACleanHeader(bool isPacked)
    {
        using NetBench bench = new();
        bench.Machine.Driver.UsesPacked = isPacked;
        VirtioDriver.Ring transmit = bench.Machine.Start()[1];
        byte[] frame = NetBench.With(NetBench.Frame(3000), Tcp4 with { Flags = (NetHeaderFlags)0xff, BufferCount = 7 });
        transmit.Request([frame[..12], frame[12..40], frame[40..]], []);
        transmit.Request([frame], []);
        Assert.Equal(2, bench.Link.SentCount);
        foreach ((int queue, byte[] bytes) in bench.Link.Sent)
        {
            Assert.Equal(0, queue);
            Assert.Equal(Tcp4, NetHeader.Read(bytes));
            Assert.Equal(frame[12..], bytes[12..]);
        }

        Assert.Equal((2ul, 6000ul, 0ul), (bench.Device.Statistics.SentFrames, bench.Device.Statistics.SentBytes, bench.Device.Statistics.SendDropped));
    }

    [Fact]
    public void Send_HeaderThatWasNotAgreed_Dropped()
    {
        using NetBench bench = new();
        VirtioDriver.Ring transmit = bench.Machine.Start(without: 1UL << 11)[1];
        transmit.Request([NetBench.With(NetBench.Frame(3000), Tcp4)], []);
        transmit.Request([NetBench.With(NetBench.Frame(100), Tcp4 with { Segmentation = 0, ChecksumStart = 90, ChecksumOffset = 9 })], []);
        transmit.Request([new byte[12 + 13]], []);
        Assert.Equal((0, 3ul), (bench.Link.SentCount, bench.Device.Statistics.SendDropped));
        transmit.Request([NetBench.Frame(60)], []);
        Assert.Equal(1, bench.Link.SentCount);
    }

    [Fact]
    public void Send_LessThanAHeader_LatchesTheQueue()
    {
        using NetBench bench = new();
        VirtioDriver.Ring transmit = bench.Machine.Start()[1];
        Assert.ThrowsAny<Exception>(() => transmit.Request([new byte[11]], []));
        Assert.NotEqual(0, bench.Machine.Driver.Status & VirtioDriver.NeedsReset);
        Assert.Single(bench.Machine.Diagnostics);
    }

    [Fact]
    public void Send_FullLink_WaitsAndLosesNothing()
    {
        using NetBench bench = new();
        VirtioDriver.Ring transmit = bench.Machine.Start()[1];
        bench.Link.SetFull(true);
        Assert.ThrowsAny<Exception>(() => transmit.Request([NetBench.Frame(60)], []));
        // Nothing is out: the state can be saved, a reset is over at once.
        StateContract.Check(bench.Machine.Transport, bench.Machine.Transport);
        bench.Link.SetFull(false);
        bench.Machine.Workers.Run();
        Assert.Equal((1, 1), (bench.Link.SentCount, transmit.UsedIndex));
    }

    [Theory]
    [InlineData(60)]
    [InlineData(1514)]
    [InlineData(9014)]
    [InlineData(65553)]
    public void Receive_Mergeable_SpreadOverAsManyBuffersAsItTakes(int bytes)
    {
        using NetBench bench = new(queueSize: 64);
        VirtioDriver.Ring receive = bench.Machine.Start()[0];
        NetBench.OfferBuffers(receive, 64, 1536);
        byte[] frame = NetBench.Frame(bytes);
        // The first goes through the host's buffer, the second of a long kind straight into the guest's.
        for (int round = 0; round < 4; round++)
        {
            bench.Link.Give(0, frame);
            bench.Machine.Workers.Run();
            byte[] got = bench.TakeFrame(receive)!;
            int buffers = (frame.Length + 1535) / 1536;
            Assert.Equal(buffers, NetHeader.Read(got).BufferCount);
            Assert.Equal(frame[12..], got[12..]);
            NetBench.OfferBuffers(receive, buffers, 1536, round * buffers);
        }

        Assert.Equal((4ul, 4ul * (ulong)bytes), (bench.Device.Statistics.ReceivedFrames, bench.Device.Statistics.ReceivedBytes));
        Assert.Null(bench.TakeFrame(receive));
    }

    [Fact]
    public void Receive_NotMergeable_OneBufferOrDropped()
    {
        using NetBench bench = new();
        VirtioDriver.Ring receive = bench.Machine.Start(without: NetBench.Mergeable)[0];
        NetBench.OfferBuffers(receive, 2, 2048);
        bench.Link.Give(0, NetBench.Frame(3000), NetBench.Frame(1000));
        bench.Machine.Workers.Run();
        byte[] got = bench.TakeFrame(receive)!;
        Assert.Equal((1012, 1), (got.Length, NetHeader.Read(got).BufferCount));
        Assert.Equal((1ul, 1ul), (bench.Device.Statistics.ReceivedFrames, bench.Device.Statistics.ReceiveDropped));
    }

    [Fact]
    public void Receive_NoBuffers_FrameWaitsForThem()
    {
        using NetBench bench = new();
        VirtioDriver.Ring receive = bench.Machine.Start()[0];
        bench.Link.Give(0, NetBench.Frame(4000), NetBench.Frame(100));
        bench.Machine.Workers.Run();
        Assert.Equal(2, bench.Link.Waiting());
        NetBench.OfferBuffers(receive, 1, 1536);
        bench.Machine.Workers.Run();
        // The first does not fit yet; it has been taken from the link all the same.
        Assert.Equal((1, 0), (bench.Link.Waiting(), receive.UsedIndex));
        // Nothing is out: the state can be saved.
        bench.Machine.Transport.Save();
        NetBench.OfferBuffers(receive, 5, 1536, 1);
        bench.Machine.Workers.Run();
        Assert.Equal(4012, bench.TakeFrame(receive)!.Length);
        Assert.Equal(112, bench.TakeFrame(receive)!.Length);
    }

    [Fact]
    public void Receive_RingTooSmallForAFrame_DroppedNotStuck()
    {
        using NetBench bench = new(queueSize: 16);
        VirtioDriver.Ring receive = bench.Machine.Start()[0];
        NetBench.OfferBuffers(receive, 16, 1536);
        bench.Link.Give(0, NetBench.Frame(60000), NetBench.Frame(100));
        bench.Machine.Workers.Run();
        Assert.Equal(112, bench.TakeFrame(receive)!.Length);
        Assert.Equal(1ul, bench.Device.Statistics.ReceiveDropped);
    }

    [Fact]
    public void Receive_TinyBuffer_LatchesTheQueue()
    {
        using NetBench bench = new();
        VirtioDriver.Ring receive = bench.Machine.Start()[0];
        NetBench.OfferBuffers(receive, 1, 11);
        bench.Link.Give(0, NetBench.Frame(100));
        bench.Machine.Workers.Run();
        Assert.NotEqual(0, bench.Machine.Driver.Status & VirtioDriver.NeedsReset);
    }

    [Fact]
    public void Receive_WhatWasNotAccepted_DroppedAndFlagsCleared()
    {
        using NetBench bench = new();
        VirtioDriver.Ring receive = bench.Machine.Start(without: NetBench.GuestTso4 | (1UL << 9))[0];
        NetBench.OfferBuffers(receive, 16, 2048);
        NetHeader valid = new(NetHeaderFlags.VIRTIO_NET_HDR_F_DATA_VALID, 0, 0, 0, 0, 0);
        bench.Link.Give(0, NetBench.With(NetBench.Frame(3000), Tcp4), NetBench.With(NetBench.Frame(100), valid), NetBench.With(NetBench.Frame(100), Tcp4 with { Segmentation = 0 }));
        bench.Machine.Workers.Run();
        Assert.Equal(valid with { BufferCount = 1 }, NetHeader.Read(bench.TakeFrame(receive)!));
        Assert.Equal(Tcp4 with { Segmentation = 0, SegmentSize = 0, BufferCount = 1 }, NetHeader.Read(bench.TakeFrame(receive)!));
        Assert.Equal(1ul, bench.Device.Statistics.ReceiveDropped);
        Assert.Equal(FakeNet.AllOffloads & ~(NetOffloads.Tso4 | NetOffloads.TsoEcn), bench.Link.Accepted);
    }

    [Fact]
    public void Link_DownAndUp_ConfigInterruptAndNoFrames()
    {
        using NetBench bench = new();
        bench.Machine.EnableMsix();
        VirtioDriver.Ring[] rings = bench.Machine.Start();
        bench.Machine.Guest.Store(bench.Machine.Driver.Common + 16, 0, 2);
        bench.Device.SetLink(false);
        bench.Device.SetLink(false);
        Assert.Equal(1, bench.Machine.Msi.CountOf(0x40));
        Assert.Equal(0ul, bench.Machine.Guest.Load(bench.Machine.Driver.Device + 6, 2));
        rings[1].Request([NetBench.Frame(60)], []);
        NetBench.OfferBuffers(rings[0], 4, 2048);
        bench.Link.Give(0, NetBench.Frame(100));
        bench.Machine.Workers.Run();
        Assert.Equal((0, 0), (bench.Link.SentCount, rings[0].UsedIndex));
        bench.Device.SetLink(true);
        bench.Link.IsLinkUp = false;
        bench.Link.IsLinkUp = true;
        Assert.Equal((4, 1ul), (bench.Machine.Msi.CountOf(0x40), bench.Machine.Guest.Load(bench.Machine.Driver.Device + 6, 2)));
        rings[1].Request([NetBench.Frame(60)], []);
        Assert.Equal(1, bench.Link.SentCount);
    }

    [Fact]
    public void Limits_EachDirection_HeldBackAndGoOnLater()
    {
        RateLimits slow = new(default, new TokenRate(10, 1));
        using NetBench bench = new(receive: slow, send: slow);
        VirtioDriver.Ring[] rings = bench.Machine.Start();
        NetBench.OfferBuffers(rings[0], 8, 2048);
        bench.Link.Give(0, NetBench.Frame(100), NetBench.Frame(100), NetBench.Frame(100));
        bench.Machine.Workers.Run();
        Assert.Equal(1, rings[0].UsedIndex);
        bench.Clock.Advance(200_000_000);
        bench.Machine.Workers.Run();
        bench.Clock.Advance(200_000_000);
        bench.Machine.Workers.Run();
        Assert.Equal(3, rings[0].UsedIndex);
        rings[1].Request([NetBench.Frame(60)], []);
        Assert.ThrowsAny<Exception>(() => rings[1].Request([NetBench.Frame(60)], []));
        bench.Clock.Advance(100_000_000);
        bench.Machine.Workers.Run();
        Assert.Equal(2, bench.Link.SentCount);
    }

    [Fact]
    public void Reset_UnderTraffic_FilterAndOffloadsAsAtFirst()
    {
        using NetBench bench = new(queues: 2);
        VirtioDriver.Ring[] rings = bench.Machine.Start();
        Assert.Equal(NetBench.Ok, NetBench.Command(rings[4], 4, 0, 2, 0));
        Assert.Equal(NetBench.Ok, NetBench.Command(rings[4], 0, 0, 0));
        Assert.Equal(2, bench.Link.QueuesInUse);
        bench.Link.Give(0, NetBench.Frame(4000), NetBench.Frame(4000));
        NetBench.OfferBuffers(rings[0], 1, 1536);
        bench.Machine.Workers.Run();
        bench.Machine.Driver.Status = 0;
        Assert.Equal(0, bench.Machine.Driver.Status);
        Assert.Equal((1, NetOffloads.None), (bench.Link.QueuesInUse, bench.Link.Accepted));
        rings = bench.Machine.Start();
        NetBench.OfferBuffers(rings[0], 8, 1536);
        bench.Machine.Workers.Run();
        // The frame that waited for the old driver is gone; the filter is open again.
        Assert.Equal(1ul, bench.Device.Statistics.ReceivedFrames);
        bench.Link.Give(0, NetBench.Frame(100, NetBench.Other));
        bench.Machine.Workers.Run();
        Assert.Equal(2ul, bench.Device.Statistics.ReceivedFrames);
    }

    [Fact]
    public void State_Chosen_KeptElsewhereAndInPlace()
    {
        using NetBench bench = new(queues: 2), fresh = new(queues: 2);
        VirtioDriver.Ring control = bench.Machine.Start()[4];
        NetBench.Command(control, 0, 0, 0);
        NetBench.Command(control, 0, 1, 1);
        NetBench.Command(control, 4, 0, 2, 0);
        NetBench.Command(control, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0);
        NetBench.Command(control, 2, 0, 100, 0);
        NetBench.Command(control, 1, 1, 2, 0, 0, 0, 0, 9);
        bench.Device.SetLink(false);
        StateContract.Check(bench.Device, fresh.Device);
        // Under load; in place with the transport before it, elsewhere with the transport behind it.
        bench.Link.Give(1, NetBench.Frame(100));
        VirtioNetState state = bench.Device.Save();
        StateContract.Check(bench.Machine.Transport, bench.Machine.Transport);
        bench.Device.Restore(state);
        fresh.Device.Restore(state);
        fresh.Machine.Transport.Restore(bench.Machine.Transport.Save());
        Assert.Equal(StateContract.Describe(bench.Device), StateContract.Describe(fresh.Device));
        Assert.Equal((2, NetOffloads.Checksum), (fresh.Link.QueuesInUse, fresh.Link.Accepted));
        Assert.Throws<StateException>(() => fresh.Device.Restore(new VirtioNetState { Version = 0 }));
        Assert.Throws<StateException>(() => fresh.Device.Restore(new VirtioNetState { QueuePairs = 3 }));
        Assert.Throws<StateException>(() => fresh.Device.Restore(new VirtioNetState { Vlans = new ulong[3] }));
    }

    [Fact]
    public void Traffic_Warm_AllocatesNothing()
    {
        using NetBench bench = new(queueSize: 64);
        bench.Link.KeepsSent = false;
        VirtioDriver.Ring[] rings = bench.Machine.Start();
        byte[] small = NetBench.Frame(100), large = NetBench.Frame(9000);
        long allocated = 0;
        for (int round = 0; round < 200; round++)
        {
            NetBench.OfferBuffers(rings[0], 13, 1536, round * 13);
            rings[1].Describe(rings[1].Descriptors, 0, rings[1].Buffers, 1000, 0, 0);
            bench.Link.Give(0, small, large, large);
            rings[1].Offer(0);
            long before = GC.GetAllocatedBytesForCurrentThread();
            bench.Machine.Workers.Run();
            if (round >= 20) allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            while (rings[0].Take() is not null) continue;
        }

        Assert.Equal((600ul, 200ul), (bench.Device.Statistics.ReceivedFrames, bench.Device.Statistics.SentFrames));
        Assert.Equal(0, allocated);
    }
}
