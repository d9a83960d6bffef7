using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Devices.Virtio.Net;
using Vmm.Guest.Tests.Tiny;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Virtio;

/// <summary>The network device driven by guests in ring 3, on both CPUs: frames out in batches, frames in with an interrupt each.</summary>
public sealed class NetRingTests
{
    private const int ReceiveQueue = 0, TransmitQueue = 1, FrameBytes = INetBackend.HeaderBytes + 60;

    [Theory]
    [OnSoftware(false, true)]
    [OnSoftware(true, true)]
    [OnKvm(false, true)]
    [OnKvm(true, true)]
    [OnKvm(true, false)]
    public void Transmit_BatchesPolled_FramesInOrder(string accelerator, bool isPacked, bool withDoorbell)
    {
        const int Batches = 100, Depth = 16;
        FakeNet link = new();
        VirtioNet? net = null;
        using RingGuest guest = new(accelerator, workers => net = New(link, workers), isPacked, withDoorbell, queue: TransmitQueue);
        for (int i = 0; i < Depth; i++)
        {
            ulong at = RingGuest.Buffers + (ulong)(i * FrameBytes);
            Assert.True(guest.Memory.TryCopyIn(new GuestAddress(at), Frame(i)));
            guest.Describe(i, new(at, INetBackend.HeaderBytes, IsWritable: false), new(at + INetBackend.HeaderBytes, FrameBytes - INetBackend.HeaderBytes, IsWritable: false));
        }

        guest.Run(Batches, Depth);
        guest.AssertPolled(Batches, withDoorbell);
        Assert.Equal((ulong)(Batches * Depth), net!.Statistics.SentFrames);
        Assert.Equal(Enumerable.Range(0, Batches * Depth).Select(i => (TransmitQueue / 2, Convert.ToHexString(Frame(i % Depth)))), link.Sent.Select(f => (f.Queue, Convert.ToHexString(f.Bytes))));
    }

    [Theory]
    [OnSoftware(false, true)]
    [OnSoftware(true, true)]
    [OnKvm(false, true)]
    [OnKvm(false, false)]
    [OnKvm(true, true)]
    public void Receive_OneByOneWithInterrupts_EachFrameInterrupts(string accelerator, bool isPacked, bool withRoutes)
    {
        const int Frames = 200, Room = 1536;
        FakeNet link = new();
        VirtioNet? net = null;
        using RingGuest guest = new(accelerator, workers => net = New(link, workers), isPacked, withRoutes: withRoutes, queue: ReceiveQueue);
        guest.Describe(0, new PackedQueueDriver.Buffer(RingGuest.Buffers, Room, IsWritable: true));
        link.Give(0, [.. Enumerable.Range(0, Frames).Select(Frame)]);
        guest.RunOneByOne(Frames, hasRoute: withRoutes && accelerator == Accelerators.Kvm);
        Assert.Equal(((ulong)Frames, 0), (net!.Statistics.ReceivedFrames, link.Waiting()));
        byte[] last = new byte[FrameBytes], expected = Frame(Frames - 1);
        Assert.True(guest.Memory.TryCopyOut(new GuestAddress(RingGuest.Buffers), last));
        // One buffer was used, as the header says.
        expected[NetHeader.BufferCountAt] = 1;
        Assert.Equal(expected, last);
    }

    private static VirtioNet New(FakeNet link, IWorkers workers)
        => new(link, new VirtioNetOptions { Mac = new MacAddress(0x5254_0000_0001), QueueSize = RingGuest.QueueSize }, workers);

    // A header that asks for nothing, then a frame for all.
    private static byte[] Frame(int number)
    {
        byte[] frame = new byte[FrameBytes];
        frame.AsSpan(INetBackend.HeaderBytes, MacAddress.SizeBytes).Fill(0xff);
        frame[^1] = (byte)number;
        return frame;
    }
}
