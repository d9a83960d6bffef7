using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Devices.Virtio.Queue;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

public sealed class VirtQueueTests : IDisposable
{
    private const ulong Table = 0x1000, Available = 0x2000, Used = 0x3000, Buffer = 0x8000, IndirectTable = 0x6000, MemoryBytes = 0x10000;
    private const ushort Size = 8, Next = 1, Write = 2, Indirect = 4;

    private readonly TestMemory _test = new(MemoryBytes);
    private readonly VirtQueue _queue;
    private readonly VirtChain _chain;
    private readonly List<string> _problems = [];
    private int _signals;
    private ushort _available;

    public VirtQueueTests()
    {
        _queue = new VirtQueue(0, 16, _test.Memory, _ => _signals++, (_, problem) => _problems.Add(problem));
        _chain = _queue.NewChain();
    }

    public void Dispose() => _test.Dispose();

    [Fact]
    public void TryPop_ReadableThenWritable_CopiedOnce()
    {
        Start();
        Describe(3, Buffer, 4, Next, 5);
        Describe(5, Buffer + 0x100, 8, Write, 0);
        Put(Buffer, 0x11223344u);
        Offer(3);
        Assert.True(_queue.TryPop(_chain));
        // What the guest changes now is not seen.
        Describe(5, 0xffff_0000, 8, Write, 0);
        Assert.Equal((4ul, 8ul), (_chain.ReadableBytes, _chain.WritableBytes));
        byte[] data = new byte[4];
        Assert.True(_chain.TryRead(0, data));
        Assert.Equal([0x44, 0x33, 0x22, 0x11], data);
        Assert.True(_chain.TryWrite(2, [7, 8, 9]));
        Assert.False(_chain.TryWrite(6, [7, 8, 9]));
        Assert.False(_chain.TryRead(1, data));
        _queue.Push(_chain, 5);
        Assert.Equal(1, Get(Used + 2));
        Assert.Equal((3u, 5u), (Get32(Used + 4), Get32(Used + 8)));
        Assert.Equal(0x0807, Get(Buffer + 0x102));
    }

    [Fact]
    public void IsIdle_DriverNotYetTold_FalseUntilTheInterruptIsDone()
    {
        bool? isIdleMeanwhile = null;
        VirtQueue? queue = null;
        queue = new VirtQueue(0, 16, _test.Memory, _ => isIdleMeanwhile = queue!.IsIdle, (_, problem) => _problems.Add(problem));
        VirtChain chain = queue.NewChain();
        queue.Start(Setup, 0);
        Describe(0, Buffer, 16, Write, 0);
        Offer(0);
        Assert.True(queue.TryPop(chain));
        queue.Push(chain, 0);
        Assert.False(queue.IsIdle);
        Assert.Throws<StateException>(() => queue.Save(Setup));
        queue.Signal();
        Assert.False(isIdleMeanwhile);
        Assert.True(queue.IsIdle);
    }

    [Fact]
    public void IsIdle_QueueStoppedBeforeTheDriverWasTold_True()
    {
        Start();
        Describe(0, Buffer, 16, Write, 0);
        Offer(0);
        Assert.True(_queue.TryPop(_chain));
        _queue.Push(_chain, 0);
        _queue.Stop();
        Assert.True(_queue.IsIdle);
    }

    [Fact]
    public void Push_Several_SeenAtOnceInTheirOrder()
    {
        Start();
        VirtChain[] chains = [_chain, _queue.NewChain(), _queue.NewChain()];
        for (ushort i = 0; i < 3; i++)
        {
            Describe(i, Buffer + 0x100u * i, 16, Write, 0);
            Offer(i);
            Assert.True(_queue.TryPop(chains[i]));
        }

        _queue.Push(chains, [7, 8, 9]);
        Assert.Equal(3, Get(Used + 2));
        Assert.Equal([0u, 7u, 1u, 8u, 2u, 9u], Enumerable.Range(0, 6).Select(i => Get32(Used + 4 + 4 * (ulong)i)));
        _queue.Signal();
        Assert.True(_queue.IsIdle);
    }

    [Fact]
    public void Return_LastPopped_IsPoppedAgain()
    {
        Start();
        VirtChain second = _queue.NewChain();
        for (ushort i = 0; i < 2; i++)
        {
            Describe(i, Buffer + 0x100u * i, 16u + i, Write, 0);
            Offer(i);
        }

        Assert.True(_queue.TryPop(_chain));
        Assert.True(_queue.TryPop(second));
        _queue.Return(second);
        _queue.Return(_chain);
        Assert.True(_queue.IsIdle);
        Assert.Equal(0, Get(Used + 2));
        Assert.True(_queue.TryPop(_chain));
        Assert.Equal(16u, _chain.WritableBytes);
        _queue.Stop();
        _queue.Return(_chain);
        Start();
        Assert.True(_queue.TryPop(_chain));
        Assert.Equal(16u, _chain.WritableBytes);
    }

    [Fact]
    public void TryPop_Indirect_ItsTable()
    {
        Start(VirtioFeatures.VIRTIO_F_INDIRECT_DESC);
        Describe(0, IndirectTable, 32, Indirect, 0);
        Describe(0, Buffer, 4, Next, 1, IndirectTable);
        Describe(1, Buffer + 4, 4, Write, 0, IndirectTable);
        Offer(0);
        Assert.True(_queue.TryPop(_chain));
        Assert.Equal((4ul, 4ul), (_chain.ReadableBytes, _chain.WritableBytes));
    }

    [Fact]
    public void TryPop_ScatteredBuffers_ReadAndWrittenAcross()
    {
        Start();
        for (ushort i = 0; i < 3; i++) Describe(i, Buffer + 0x100u * i, 3, Next, (ushort)(i + 1));
        Describe(3, Buffer + 0x800, 2, Write | Next, 4);
        Describe(4, Buffer + 0x900, 5, Write, 0);
        for (uint i = 0; i < 9; i++) Assert.True(_test.Memory.TryWrite(new GuestAddress(Buffer + 0x100 * (i / 3) + i % 3), (byte)i));
        Offer(0);
        Assert.True(_queue.TryPop(_chain));
        byte[] data = new byte[6];
        Assert.True(_chain.TryRead(2, data));
        Assert.Equal([2, 3, 4, 5, 6, 7], data);
        Assert.True(_chain.TryWrite(1, [1, 2, 3]));
        Assert.Equal((0x0100, 0x0302), (Get(Buffer + 0x800), Get(Buffer + 0x900)));
        IoVec[] vectors = new IoVec[4];
        Assert.True(_chain.TryPinReadable(2, 6, vectors, out int count));
        Assert.Equal([1ul, 3ul, 2ul], vectors[..count].Select(v => (ulong)v.SizeBytes));
        Assert.False(_chain.TryPinWritable(0, 8, vectors, out _));
        Assert.False(_chain.TryPinReadable(0, 9, vectors.AsSpan(0, 2), out _));
    }

    [Theory]
    [InlineData("loop")]
    [InlineData("outside")]
    [InlineData("wraps")]
    [InlineData("nowhere")]
    [InlineData("order")]
    [InlineData("next")]
    [InlineData("head")]
    [InlineData("ahead")]
    [InlineData("indirect without feature")]
    [InlineData("nested")]
    [InlineData("indirect size")]
    [InlineData("indirect outside")]
    public void TryPop_BrokenRing_LatchesAndIsToldOnce(string what)
    {
        Start(what == "indirect without feature" ? 0 : VirtioFeatures.VIRTIO_F_INDIRECT_DESC);
        Describe(0, Buffer, 4, 0, 0);
        Describe(0, IndirectTable, 16, Indirect, 0, IndirectTable);
        switch (what)
        {
            case "loop": Describe(0, Buffer, 4, Next, 0); break;
            case "outside": Describe(0, MemoryBytes - 2, 4, 0, 0); break;
            case "wraps": Describe(0, ulong.MaxValue - 1, 4, 0, 0); break;
            case "nowhere": Describe(0, MemoryBytes, 4, Write, 0); break;
            case "order": Describe(0, Buffer, 4, Next | Write, 1); Describe(1, Buffer, 4, 0, 0); break;
            case "next": Describe(0, Buffer, 4, Next, Size); break;
            case "ahead": _available = Size; break;
            case "indirect without feature" or "nested": Describe(0, IndirectTable, 16, Indirect, 0); break;
            case "indirect size": Describe(0, IndirectTable, 24, Indirect, 0); break;
            case "indirect outside": Describe(0, MemoryBytes - 8, 16, Indirect, 0); break;
        }

        Offer(what == "head" ? Size : (ushort)0);
        Assert.False(_queue.TryPop(_chain));
        Assert.False(_queue.TryPop(_chain));
        Assert.True(_queue.IsBroken);
        Assert.Single(_problems);
        _queue.Stop();
        _available = 0;
        Put(Available + 2, (ushort)0);
        Start();
        Describe(0, Buffer, 4, 0, 0);
        Offer(0);
        Assert.True(_queue.TryPop(_chain));
    }

    [Theory]
    [InlineData(8, Table + 1, Available, Used)]
    [InlineData(8, Table, Available + 1, Used)]
    [InlineData(8, Table, Available, Used + 2)]
    [InlineData(8, MemoryBytes - 16, Available, Used)]
    [InlineData(8, Table, MemoryBytes, Used)]
    [InlineData(8, Table, Available, ulong.MaxValue - 3)]
    [InlineData(7, Table, Available, Used)]
    [InlineData(32, Table, Available, Used)]
    [InlineData(0, Table, Available, Used)]
    public void Start_ImpossibleRing_Latches(ushort size, ulong table, ulong available, ulong used)
    {
        _queue.Start(new VirtQueueSetup { Size = size, Descriptors = table, Available = available, Used = used }, 0);
        Assert.True(_queue.IsBroken);
        Assert.Single(_problems);
        Assert.False(_queue.TryPop(_chain));
    }

    [Fact]
    public void Push_AfterStop_ForgottenAndIdle()
    {
        Start();
        Describe(0, Buffer, 4, Write, 0);
        Offer(0);
        Assert.True(_queue.TryPop(_chain));
        _queue.Stop();
        Assert.False(_queue.IsIdle);
        _queue.Push(_chain, 4);
        _queue.Signal();
        Assert.True(_queue.IsIdle);
        Assert.Equal((0, 0), (Get(Used + 2), _signals));
    }

    [Fact]
    public void Signal_NoInterruptFlag_Silent()
    {
        Start();
        Describe(0, Buffer, 4, Write, 0);
        Put(Available, (ushort)1);
        Serve(1);
        Assert.Equal(0, _signals);
        Put(Available, (ushort)0);
        Serve(1);
        Assert.Equal(1, _signals);
    }

    [Fact]
    public void Signal_EventIndex_OnlyWhenPassed()
    {
        Start(VirtioFeatures.VIRTIO_F_EVENT_IDX);
        Describe(0, Buffer, 4, Write, 0);
        Put(Available + 4 + 2 * Size, (ushort)2);
        Serve(2);
        Assert.Equal(0, _signals);
        Serve(1);
        Assert.Equal(1, _signals);
        Serve(3);
        Assert.Equal(1, _signals);
    }

    [Fact]
    public void TryPop_EventIndex_AsksForTheNextKick()
    {
        Start(VirtioFeatures.VIRTIO_F_EVENT_IDX);
        Describe(0, Buffer, 4, Write, 0);
        Serve(3);
        Assert.False(_queue.TryPop(_chain));
        Assert.Equal(3, Get(Used + 4 + 8 * Size));
    }

    [Fact]
    public void Ring_IndicesWrap_ForEver()
    {
        Start(VirtioFeatures.VIRTIO_F_EVENT_IDX);
        Describe(0, Buffer, 4, Write, 0);
        Serve(70_000);
        Assert.Equal(unchecked((ushort)70_000), Get(Used + 2));
        Assert.Empty(_problems);
    }

    [Fact]
    public void TryPop_MoreChainsThanTheQueueHolds_Latches()
    {
        Start();
        Describe(0, Buffer, 4, 0, 0);
        for (int i = 0; i < Size; i++)
        {
            Offer(0);
            Assert.True(_queue.TryPop(_queue.NewChain()));
        }

        Offer(0);
        Assert.False(_queue.TryPop(_chain));
        Assert.True(_queue.IsBroken);
    }

    [Fact]
    public void Requests_OnceWarm_AllocateNothing()
    {
        Start(VirtioFeatures.VIRTIO_F_EVENT_IDX);
        Describe(0, Buffer, 4, Write, 0);
        Serve(10);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Serve(1000);
        // A collection on another thread may count the unused rest of an allocation context, up to 8 KiB; one object a round would be far more.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8192);
    }

    private void Serve(int count)
    {
        for (int i = 0; i < count; i++)
        {
            Offer(0);
            Assert.True(_queue.TryPop(_chain));
            _queue.Push(_chain, 0);
            _queue.Signal();
        }
    }

    private static VirtQueueSetup Setup => new() { Size = Size, Descriptors = Table, Available = Available, Used = Used };

    private void Start(ulong features = 0) => _queue.Start(Setup, features);

    private void Describe(ushort slot, ulong address, uint length, ushort flags, ushort next, ulong table = Table)
    {
        ulong at = table + 16u * slot;
        Put(at, address);
        Put(at + 8, length);
        Put(at + 12, flags);
        Put(at + 14, next);
    }

    private void Offer(ushort head)
    {
        Put(Available + 4 + 2 * (ulong)(_available % Size), head);
        Put(Available + 2, ++_available);
    }

    private void Put<T>(ulong at, T value) where T : unmanaged
    {
        if (!_test.Memory.TryWrite(new GuestAddress(at), value)) throw new InvalidOperationException("no memory");
    }

    private ushort Get(ulong at) => _test.Memory.TryRead(new GuestAddress(at), out ushort value) ? value : throw new InvalidOperationException("no memory");

    private uint Get32(ulong at) => _test.Memory.TryRead(new GuestAddress(at), out uint value) ? value : throw new InvalidOperationException("no memory");
}
