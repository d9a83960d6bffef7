using Vmm.Core.Memory;
using Vmm.Devices.Virtio.Block;
using Vmm.Devices.Virtio.Console;
using Vmm.Devices.Virtio.Rng;
using Vmm.Guest.Tests.Tiny;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Virtio;

/// <summary>Virtio devices driven by guests in ring 3, on both CPUs: kicks through doorbells, completions polled or as interrupts.</summary>
public sealed class RingTests
{
    private const int SectorBytes = 512, BlockBytes = 4096;

    [Theory]
    [OnSoftware(false, true)]
    [OnSoftware(true, true)]
    [OnSoftware(true, false)]
    [OnKvm(false, true)]
    [OnKvm(true, true)]
    [OnKvm(true, false)]
    public void Block_BatchesPolled_EveryRequestReadsItsBlock(string accelerator, bool isPacked, bool withDoorbell)
    {
        const int Batches = 100, Depth = 16;
        MemoryDisk disk = new(1 << 20);
        new Random(1).NextBytes(disk.Content);
        VirtioBlock? block = null;
        using RingGuest guest = new(accelerator, workers => block = new VirtioBlock(disk, new VirtioBlockOptions { QueueSize = RingGuest.QueueSize }, workers), isPacked, withDoorbell);
        for (int i = 0; i < Depth; i++) DescribeRead(guest, i);
        // In two runs, so that the second begins in the middle of a round.
        guest.Run(Batches - 10, Depth);
        guest.Run(10, Depth);
        guest.AssertPolled(Batches, withDoorbell);
        Assert.Equal((ulong)(Batches * Depth), block!.Statistics.Reads);
        for (int i = 0; i < Depth; i++)
        {
            byte[] read = new byte[BlockBytes + 1];
            Assert.True(guest.Memory.TryCopyOut(new GuestAddress(Data(i)), read));
            Assert.Equal(0, read[BlockBytes]);
            Assert.True(disk.Content.AsSpan(i * BlockBytes, BlockBytes).SequenceEqual(read.AsSpan(0, BlockBytes)));
        }
    }

    [Theory]
    [OnSoftware(false, true)]
    [OnSoftware(true, true)]
    [OnKvm(false, true)]
    [OnKvm(false, false)]
    [OnKvm(true, true)]
    [OnKvm(true, false)]
    public void Rng_OneByOneWithInterrupts_EachRequestInterrupts(string accelerator, bool isPacked, bool withRoutes)
    {
        const int Requests = 200;
        using RingGuest guest = new(accelerator, workers => new VirtioRng(new SeededEntropy(7), workers), isPacked, withRoutes: withRoutes);
        guest.Describe(0, new PackedQueueDriver.Buffer(RingGuest.Buffers, 64, IsWritable: true));
        guest.RunOneByOne(Requests, hasRoute: withRoutes && accelerator == Accelerators.Kvm);
        byte[] last = new byte[64];
        Assert.True(guest.Memory.TryCopyOut(new GuestAddress(RingGuest.Buffers), last));
        SeededEntropy expected = new(7);
        byte[] bytes = new byte[64];
        for (int i = 0; i < Requests; i++) expected.Fill(bytes);
        Assert.Equal(bytes, last);
    }

    [Theory]
    [OnSoftware(false)]
    [OnSoftware(true)]
    [OnKvm(false)]
    [OnKvm(true)]
    public void Console_Output_ArrivesInOrder(string accelerator, bool isPacked)
    {
        const int TransmitQueue = 1, Batches = 20, Depth = 8;
        FakeChar host = new();
        using RingGuest guest = new(accelerator, workers => new VirtioConsole(host, workers), isPacked, queue: TransmitQueue);
        for (int i = 0; i < Depth; i++)
        {
            Assert.True(guest.Memory.TryWrite(new GuestAddress(RingGuest.Buffers + (ulong)i), (byte)('a' + i)));
            guest.Describe(i, new PackedQueueDriver.Buffer(RingGuest.Buffers + (ulong)i, 1, IsWritable: false));
        }

        guest.Run(Batches, Depth);
        Assert.Equal(string.Concat(Enumerable.Repeat("abcdefgh", Batches)), host.Text);
        Assert.Equal(0, guest.KicksCalled);
    }

    /// <summary>Reads 4 KiB: block n of the disk.</summary>
    internal static void DescribeRead(RingGuest guest, int number)
    {
        ulong header = RingGuest.Buffers + (ulong)(number * 2 * BlockBytes), data = Data(number);
        Assert.True(guest.Memory.TryWrite(new GuestAddress(header), 0ul) && guest.Memory.TryWrite(new GuestAddress(header + 8), (ulong)(number * (BlockBytes / SectorBytes))));
        Assert.True(guest.Memory.TryWrite(new GuestAddress(data + BlockBytes), (byte)0xee));
        guest.Describe(number, new(header, 16, IsWritable: false), new(data, BlockBytes, IsWritable: true), new(data + BlockBytes, 1, IsWritable: true));
    }

    private static ulong Data(int number) => RingGuest.Buffers + (ulong)(number * 2 * BlockBytes) + 1024;
}
