using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Devices.Virtio.Queue;
using Vmm.TestKit;
using Buffer = Vmm.TestKit.PackedQueueDriver.Buffer;

namespace Vmm.Devices.Virtio.Tests;

public sealed class PackedQueueTests : IDisposable
{
    private const ulong Ring = 0x1000, DriverEvents = 0x2000, DeviceEvents = 0x3000, Table = 0x6000, Data = 0x8000, MemoryBytes = 0x10000;
    private const ushort Next = 1, Write = 2, Indirect = 4, Avail = 0x80;

    // Not a power of two: a packed ring need not be one.
    private const ushort Size = 7;

    private readonly TestMemory _test = new(MemoryBytes);
    private readonly VirtQueue _queue;
    private readonly VirtChain _chain;
    private readonly List<string> _problems = [];
    private PackedQueueDriver _driver;
    private int _signals;

    public PackedQueueTests()
    {
        _queue = new VirtQueue(0, 16, _test.Memory, _ => _signals++, (_, problem) => _problems.Add(problem));
        _chain = _queue.NewChain();
        _driver = Start();
    }

    public void Dispose() => _test.Dispose();

    [Fact]
    public void TryPop_ReadableThenWritable_CopiedOnceAndGivenBack()
    {
        _driver.Offer([new(Data, 4, false), new(Data + 0x100, 8, true)]);
        Assert.True(_test.Memory.TryWrite(new GuestAddress(Data), 0x11223344u));
        Assert.True(_queue.TryPop(_chain));
        // What the guest changes now is not seen.
        _driver.Describe(Ring + 16, 0xffff_0000, 8, 0, Write);
        Assert.Equal((4ul, 8ul), (_chain.ReadableBytes, _chain.WritableBytes));
        byte[] data = new byte[4];
        Assert.True(_chain.TryRead(0, data));
        Assert.Equal([0x44, 0x33, 0x22, 0x11], data);
        Assert.Null(_driver.Take());
        _queue.Push(_chain, 5);
        Assert.Equal(((ushort)0, 5u), _driver.Take());
        Assert.Null(_driver.Take());
    }

    [Fact]
    public void TryPop_Table_AllOfItWhateverItsFlags()
    {
        _driver = Start(VirtioFeatures.VIRTIO_F_INDIRECT_DESC);
        _driver.Offer([new(Data, 4, false), new(Data + 4, 4, false), new(Data + 8, 2, true)], Table);
        _driver.Describe(Table + 16, Data + 4, 4, 99, Indirect | Avail);
        Assert.True(_queue.TryPop(_chain));
        Assert.Equal((8ul, 2ul), (_chain.ReadableBytes, _chain.WritableBytes));
    }

    /// <summary>Chains of all lengths, several at once, given back in any order, through hundreds of rounds of the ring.</summary>
    [Theory]
    [InlineData(0ul)]
    [InlineData(VirtioFeatures.VIRTIO_F_EVENT_IDX)]
    [InlineData(VirtioFeatures.VIRTIO_F_EVENT_IDX | VirtioFeatures.VIRTIO_F_INDIRECT_DESC)]
    public void Chains_OutOfOrder_EachComesBackOnce(ulong features)
    {
        _driver = Start(features);
        Random random = new(11);
        Dictionary<ushort, uint> offered = [];
        List<(VirtChain Chain, uint Tag)> popped = [];
        Stack<VirtChain> spare = new(Enumerable.Range(0, Size).Select(_ => _queue.NewChain()));
        uint tag = 0;
        int back = 0, tables = 0;
        for (int step = 0; step < 20_000; step++)
        {
            int length = random.Next(1, 4);
            if (random.Next(2) == 0 && _driver.Free >= length)
            {
                Buffer[] buffers = [.. Enumerable.Range(0, length).Select(_ => new Buffer(Data, ++tag, true))];
                bool isTable = features != 0 && random.Next(3) == 0 && (features & VirtioFeatures.VIRTIO_F_INDIRECT_DESC) != 0;
                offered.Add(_driver.Offer(buffers, isTable ? Table + 64 * (ulong)(tables++ % 64) : 0).Id, (uint)buffers.Sum(b => b.Length));
                tag %= 1000;
            }

            if (random.Next(2) == 0 && spare.Count != 0 && _queue.TryPop(spare.Peek())) popped.Add((spare.Peek(), (uint)spare.Pop().WritableBytes));
            if (random.Next(2) == 0 && popped.Count != 0)
            {
                int which = random.Next(popped.Count);
                _queue.Push(popped[which].Chain, popped[which].Tag);
                spare.Push(popped[which].Chain);
                popped.RemoveAt(which);
            }

            while (_driver.Take() is { } used)
            {
                Assert.True(offered.Remove(used.Id, out uint expected));
                Assert.Equal(expected, used.Length);
                back++;
            }
        }

        Assert.Empty(_problems);
        Assert.True(back > 1000);
    }

    [Fact]
    public void Push_Several_SeenAllAtOnceThroughTheWrap()
    {
        for (int round = 0; round < 3 * Size; round++)
        {
            VirtChain[] chains = [_queue.NewChain(), _queue.NewChain(), _queue.NewChain()];
            for (uint i = 0; i < chains.Length; i++)
            {
                _driver.Offer([new(Data, 4, true), new(Data, i, true)]);
                Assert.True(_queue.TryPop(chains[i]));
            }

            _queue.Push(chains, [4u, 5u, 0u]);
            Assert.Equal([4u, 5u, 0u], Enumerable.Range(0, 3).Select(_ => _driver.Take()!.Value.Length));
            _queue.Signal();
            Assert.True(_queue.IsIdle);
        }
    }

    [Fact]
    public void Return_LastChain_GivenAgainThroughTheWrap()
    {
        VirtChain other = _queue.NewChain();
        for (uint round = 1; round < 3 * Size; round++)
        {
            _driver.Offer([new(Data, 1, true), new(Data, round, true)]);
            _driver.Offer([new(Data, 2, true), new(Data, round, true)]);
            Assert.True(_queue.TryPop(_chain) && _queue.TryPop(other));
            _queue.Return(other);
            _queue.Return(_chain);
            _queue.Signal();
            Assert.True(_queue.IsIdle);
            for (uint i = 1; i < 3; i++)
            {
                Assert.True(_queue.TryPop(_chain));
                Assert.Equal(i + round, _chain.WritableBytes);
                _queue.Push(_chain, i);
                Assert.Equal(i, _driver.Take()!.Value.Length);
            }
        }
    }

    [Theory]
    [InlineData("loop")]
    [InlineData("outside")]
    [InlineData("order")]
    [InlineData("indirect without feature")]
    [InlineData("indirect with next")]
    [InlineData("indirect in a chain")]
    [InlineData("indirect size")]
    [InlineData("indirect outside")]
    [InlineData("indirect too long")]
    public void TryPop_BrokenRing_LatchesAndIsToldOnce(string what)
    {
        _driver = Start(what == "indirect without feature" ? 0 : VirtioFeatures.VIRTIO_F_INDIRECT_DESC);
        switch (what)
        {
            case "loop":
                for (int i = 0; i < Size; i++) _driver.Describe(Ring + 16 * (ulong)i, Data, 4, 0, Next | Avail);
                break;
            case "outside": _driver.Describe(Ring, MemoryBytes - 2, 4, 0, Avail); break;
            case "order": _driver.Offer([new(Data, 4, true), new(Data, 4, false)]); break;
            case "indirect without feature": _driver.Offer([new(Data, 4, false)], Table); break;
            case "indirect with next": _driver.Describe(Ring, Table, 16, 0, Indirect | Next | Avail); break;
            case "indirect in a chain":
                _driver.Describe(Ring + 16, Table, 16, 0, Indirect | Avail);
                _driver.Describe(Ring, Data, 4, 0, Next | Avail);
                break;
            case "indirect size": _driver.Describe(Ring, Table, 24, 0, Indirect | Avail); break;
            case "indirect outside": _driver.Describe(Ring, MemoryBytes - 8, 16, 0, Indirect | Avail); break;
            case "indirect too long": _driver.Describe(Ring, Table, 16 * 17, 0, Indirect | Avail); break;
        }

        Assert.False(_queue.TryPop(_chain));
        Assert.False(_queue.TryPop(_chain));
        Assert.True(_queue.IsBroken);
        Assert.Single(_problems);
        _queue.Stop();
        _driver = Start();
        _driver.Offer([new(Data, 4, false)]);
        Assert.True(_queue.TryPop(_chain));
    }

    [Theory]
    [InlineData(Size, Ring + 8, DriverEvents, DeviceEvents)]
    [InlineData(Size, Ring, DriverEvents + 2, DeviceEvents)]
    [InlineData(Size, Ring, DriverEvents, DeviceEvents + 2)]
    [InlineData(Size, MemoryBytes - 16, DriverEvents, DeviceEvents)]
    [InlineData(Size, Ring, MemoryBytes, DeviceEvents)]
    [InlineData(Size, Ring, DriverEvents, ulong.MaxValue - 3)]
    [InlineData(17, Ring, DriverEvents, DeviceEvents)]
    [InlineData(0, Ring, DriverEvents, DeviceEvents)]
    public void Start_ImpossibleRing_LatchesAndCanBeSaved(ushort size, ulong ring, ulong driver, ulong device)
    {
        VirtQueueSetup setup = new() { Size = size, Descriptors = ring, Available = driver, Used = device };
        _queue.Start(setup, VirtioFeatures.VIRTIO_F_RING_PACKED);
        Assert.True(_queue.IsBroken);
        Assert.Single(_problems);
        Assert.False(_queue.TryPop(_chain));
        Assert.True(_queue.Save(setup).IsBroken);
    }

    [Fact]
    public void TryPop_MoreDescriptorsThanTheQueueHas_Latches()
    {
        for (int i = 0; i < Size; i++)
        {
            _driver.Offer([new(Data, 4, false)]);
            Assert.True(_queue.TryPop(_queue.NewChain()));
        }

        Assert.False(_queue.TryPop(_chain));
        Assert.False(_queue.IsBroken);
        // The driver gives away what the device still has: the same place in the second round.
        _driver.Describe(Ring, Data, 4, 0, 0x8000);
        Assert.False(_queue.TryPop(_chain));
        Assert.True(_queue.IsBroken);
    }

    [Fact]
    public void Kicks_WithoutEventIndex_OnlyWhileTheDeviceHasNothingToDo()
    {
        Assert.True(_driver.Offer([new(Data, 4, false)]).WantsKick);
        Assert.False(_queue.TryPop(_queue.NewChain()) && _queue.TryPop(_chain));
        Assert.Equal(0, _driver.DeviceEvents.Flags);
        Assert.True(_driver.Offer([new(Data, 4, false)]).WantsKick);
        Assert.True(_queue.TryPop(_queue.NewChain()));
        Assert.False(_driver.Offer([new(Data, 4, false)]).WantsKick);
        Assert.True(_queue.TryPop(_queue.NewChain()));
        Assert.False(_queue.TryPop(_chain));
        Assert.True(_driver.Offer([new(Data, 4, false)]).WantsKick);
    }

    [Fact]
    public void Kicks_WithEventIndex_ForTheNextChainThroughTheWrap()
    {
        _driver = Start(VirtioFeatures.VIRTIO_F_EVENT_IDX);
        Assert.False(_queue.TryPop(_chain));
        for (int i = 0; i < 5 * Size; i++)
        {
            Assert.True(_driver.Offer([new(Data, 4, false), new(Data, 4, true)]).WantsKick);
            Assert.False(_driver.Offer([new(Data, 4, true)]).WantsKick);
            Serve();
            Serve();
            Assert.False(_queue.TryPop(_chain));
            while (_driver.Take() is not null) { }
        }
    }

    [Fact]
    public void Signal_DisableFlag_Silent()
    {
        _driver.WantInterrupts(false);
        OfferAndServe(3);
        Assert.Equal(0, _signals);
        _driver.WantInterrupts(true);
        OfferAndServe(3);
        Assert.Equal(3, _signals);
    }

    [Fact]
    public void Signal_EventIndex_OnlyWhenPassedThroughTheWrap()
    {
        _driver = Start(VirtioFeatures.VIRTIO_F_EVENT_IDX);
        for (int round = 0; round < 20; round++)
        {
            int before = _signals;
            _driver.WantInterruptAt(2);
            for (int i = 0; i < 5; i++)
            {
                _driver.Offer([new(Data, 4, true)]);
                Serve();
                Assert.Equal(before + (i >= 2 ? 1 : 0), _signals);
            }

            while (_driver.Take(wantsNext: false) is not null) { }
        }
    }

    /// <summary>However long nobody asked whether the driver wants to know, what it waits for is not missed.</summary>
    [Fact]
    public void Signal_AfterManyRounds_StillPassed()
    {
        _driver = Start(VirtioFeatures.VIRTIO_F_EVENT_IDX);
        for (int i = 0; i < 2 * Size; i++)
        {
            _driver.Offer([new(Data, 4, true)]);
            Assert.True(_queue.TryPop(_chain));
            _queue.Push(_chain, 0);
            _driver.Take();
        }

        _driver.Offer([new(Data, 4, true)]);
        Assert.True(_queue.TryPop(_chain));
        _queue.Push(_chain, 0);
        _queue.Signal();
        Assert.Equal(1, _signals);
    }

    [Fact]
    public void Restore_InTheMiddleOfARound_GoesOn()
    {
        _driver = Start(VirtioFeatures.VIRTIO_F_EVENT_IDX);
        OfferAndServe(Size + 3);
        VirtQueueState state = _queue.Save(Setup);
        VirtQueue other = new(0, 16, _test.Memory, _ => _signals++, (_, problem) => _problems.Add(problem));
        other.Restore(state, Setup, VirtioFeatures.VIRTIO_F_RING_PACKED | VirtioFeatures.VIRTIO_F_EVENT_IDX);
        Assert.Equal(state, other.Save(Setup));
        _driver.Offer([new(Data, 4, true)]);
        Assert.True(other.TryPop(_chain));
        other.Push(_chain, 2);
        Assert.Equal(2u, _driver.Take()!.Value.Length);
    }

    [Fact]
    public void Position_OfARingThatCannotBe_IsNowhere()
    {
        VirtQueue queue = new(0, 16, _test.Memory, _ => { }, (_, _) => { });
        queue.Start(Setup with { Size = 0 }, VirtioFeatures.VIRTIO_F_RING_PACKED, PackedRing.Start, ledger: null);

        Assert.Equal((true, default), (queue.IsBroken, queue.Position));
    }

    [Theory]
    [InlineData(Size, 0, 0)]
    [InlineData(0, Size, 0)]
    [InlineData(0, 0, 0x7fff)]
    public void Restore_PlaceOutsideTheRing_Refused(ushort available, ushort used, ushort signalled)
    {
        VirtQueueState state = _queue.Save(Setup) with { NextAvailable = available, NextUsed = used, SignalledUsed = signalled };
        Assert.Throws<StateException>(() => _queue.Restore(state, Setup, VirtioFeatures.VIRTIO_F_RING_PACKED));
    }

    [Fact]
    public void Hold_ChainsComeBackButNoneIsGiven()
    {
        _driver.Offer([new(Data, 4, true)]);
        _driver.Offer([new(Data, 4, true)]);
        Assert.True(_queue.TryPop(_chain));
        _queue.Hold(true);
        Assert.False(_queue.TryPop(_queue.NewChain()));
        _queue.Push(_chain, 0);
        _queue.Signal();
        Assert.True(_queue.IsIdle);
        Assert.NotNull(_driver.Take());
        _queue.Hold(false);
        Assert.True(_queue.TryPop(_chain));
    }

    [Theory]
    [InlineData(0ul)]
    [InlineData(VirtioFeatures.VIRTIO_F_EVENT_IDX)]
    public void Requests_OnceWarm_AllocateNothing(ulong features)
    {
        _driver = Start(features);
        OfferAndServe(100);
        long before = GC.GetAllocatedBytesForCurrentThread();
        OfferAndServe(1000);
        // A collection on another thread may count the unused rest of an allocation context, up to 8 KiB; one object a round would be far more.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8192);
    }

    private static VirtQueueSetup Setup => new() { Size = Size, Descriptors = Ring, Available = DriverEvents, Used = DeviceEvents };

    private PackedQueueDriver Start(ulong features = 0)
    {
        Assert.True(_test.Memory.TryFill(default, Data, 0));
        _queue.Start(Setup, features | VirtioFeatures.VIRTIO_F_RING_PACKED);
        return new PackedQueueDriver(_test.Memory, Ring, DriverEvents, DeviceEvents, Size, (features & VirtioFeatures.VIRTIO_F_EVENT_IDX) != 0);
    }

    private void OfferAndServe(int count)
    {
        Span<Buffer> buffers = [new(Data, 4, true)];
        for (int i = 0; i < count; i++)
        {
            _driver.Offer(buffers);
            Serve();
            while (_driver.Take() is not null) { }
        }
    }

    private void Serve()
    {
        if (!_queue.TryPop(_chain)) throw new InvalidOperationException("there should be a chain");
        _queue.Push(_chain, 1);
        _queue.Signal();
    }
}
