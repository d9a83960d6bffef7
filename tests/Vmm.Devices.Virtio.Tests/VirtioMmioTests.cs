using Vmm.Core.State;
using Vmm.Devices.Virtio.Block;
using Vmm.Devices.Virtio.Rng;
using Vmm.Devices.Virtio.Transport;
using Vmm.TestKit;
using static Vmm.Devices.Virtio.Transport.VirtioMmioRegisters;

namespace Vmm.Devices.Virtio.Tests;

public sealed class VirtioMmioTests : IDisposable
{
    private const ulong Base = 0xe800_2000, Heap = 0x10_0000, DiskBytes = 1 << 20;
    private const uint Acknowledge = 1, Driver = 2, DriverOk = 4, FeaturesOk = 8, NeedsReset = 64;

    private readonly TestMemory _test = new(16 << 20);
    private readonly MemoryDisk _disk = new((int)DiskBytes);
    private readonly GuestDriver _guest = new();
    private readonly FakeLine _wire = new();
    private readonly PumpedWorkers _workers = new();
    private readonly List<string> _diagnostics = [];
    private readonly VirtioBlock _block;
    private readonly VirtioMmioTransport _transport;

    public VirtioMmioTests()
    {
        _block = new VirtioBlock(_disk, new VirtioBlockOptions { QueueCount = 2, QueueSize = 16 }, _workers);
        _transport = new VirtioMmioTransport(_block, _test.Memory, Base, _wire, _diagnostics.Add);
        _guest.Mmio.Attach(Base, VirtioMmioTransport.SizeBytes, _transport);
    }

    public void Dispose() => _test.Dispose();

    [Fact]
    public void Identity_ModernBlockDevice()
        => Assert.Equal((Magic, 2u, 2u), (Get(MagicValue), Get(VirtioMmioRegisters.Version), Get(DeviceID)));

    [Theory]
    [InlineData(MagicValue, 1)]
    [InlineData(MagicValue, 2)]
    [InlineData(MagicValue, 8)]
    [InlineData(MagicValue + 2, 4)]
    public void Register_NotWhole_Refused(uint offset, int width) => Assert.Equal(ulong.MaxValue >> (64 - 8 * width), _guest.Load(Base + offset, width));

    [Fact]
    public void Features_TwoWordsAndNothingBehind()
    {
        Put(DeviceFeaturesSel, 1);
        Assert.Equal((uint)((VirtioFeatures.Common | _block.OfferedFeatures) >> 32), Get(DeviceFeatures));
        Put(DeviceFeaturesSel, 2);
        Assert.Equal(0u, Get(DeviceFeatures));
        Assert.Equal(0ul, VirtioFeatures.Common & (VirtioFeatures.VIRTIO_F_ACCESS_PLATFORM | VirtioFeatures.VIRTIO_F_IN_ORDER));
    }

    [Theory]
    [InlineData(0ul, false)]
    [InlineData(VirtioFeatures.VIRTIO_F_VERSION_1, true)]
    [InlineData(VirtioFeatures.VIRTIO_F_VERSION_1 | VirtioFeatures.VIRTIO_F_ACCESS_PLATFORM, false)]
    public void FeaturesOk_OnlyForWhatWasOffered(ulong features, bool expected)
    {
        Assert.Equal(expected, Negotiate(features));
        Put(Status, Acknowledge | Driver | FeaturesOk | DriverOk);
        Assert.Equal(expected, (Get(Status) & DriverOk) != 0);
    }

    [Fact]
    public void Queue_ThatIsNot_HasNoSize()
    {
        Put(QueueSel, 1);
        Assert.Equal(16u, Get(QueueNumMax));
        Put(QueueSel, 2);
        Assert.Equal((0u, 0u), (Get(QueueNumMax), Get(QueueReady)));
        Put(QueueReady, 1);
        Put(QueueSel, uint.MaxValue);
        Put(QueueReady, 1);
        Assert.Equal((0u, 0u), (Get(QueueNumMax), Get(QueueReady)));
    }

    [Theory]
    [InlineData(0ul)]
    [InlineData(VirtioFeatures.VIRTIO_F_RING_PACKED)]
    public void Request_Served_WireUntilAcknowledged(ulong features)
    {
        PackedQueueDriver? packed = Start(features);
        Assert.Equal(0, Identify(packed));
        Assert.True(_wire.IsAsserted);
        Assert.Equal(1u, Get(InterruptStatus));
        Put(InterruptACK, 2);
        Assert.True(_wire.IsAsserted);
        Put(InterruptACK, 1);
        Assert.False(_wire.IsAsserted);
        Assert.Equal(0u, Get(InterruptStatus));
    }

    [Fact]
    public void Resize_ConfigurationInterruptAndGeneration()
    {
        Start(0);
        uint generation = Get(ConfigGeneration);
        Assert.Equal(generation, Get(ConfigGeneration));
        _disk.Resize(2 << 20);
        Assert.Equal(2u, Get(InterruptStatus));
        Assert.NotEqual(generation, Get(ConfigGeneration));
        Assert.Equal(4096ul, _guest.Load(Base + Config, 8));
    }

    [Fact]
    public void ConfigGeneration_ChangeThatNobodyHasTold_FoundOut()
    {
        uint generation = Get(ConfigGeneration);
        _guest.Store(Base + Config + 32, 0, 1);
        Assert.NotEqual(generation, Get(ConfigGeneration));
    }

    [Fact]
    public void QueueReady_ZeroUnderIo_OneUntilTheRequestIsOver()
    {
        PackedQueueDriver? packed = Start(VirtioFeatures.VIRTIO_F_RING_PACKED);
        uint during = 0;
        _disk.DuringIo = () =>
        {
            Put(QueueSel, 0);
            Put(QueueReady, 0);
            during = Get(QueueReady);
        };
        Write(packed!);
        Assert.Equal((1u, 0u), (during, Get(QueueReady)));
    }

    [Fact]
    public void QueueReset_WithoutTheFeature_Ignored()
    {
        Start(0);
        Put(QueueSel, 0);
        Put(QueueReset, 1);
        Assert.Equal((0u, 1u), (Get(QueueReset), Get(QueueReady)));
    }

    [Fact]
    public void QueueReset_Agreed_CanBeSetUpAgain()
    {
        Start(VirtioFeatures.VIRTIO_F_RING_RESET);
        Put(QueueSel, 0);
        Put(QueueReset, 1);
        Assert.Equal((0u, 0u), (Get(QueueReset), Get(QueueReady)));
        SetUp(0);
        Assert.Equal(0, Identify(null));
    }

    [Fact]
    public void BrokenQueue_NeedsResetAndTold_GoodAgainAfterIt()
    {
        Start(0);
        _test.Memory.TryWrite(new(Heap + 0x1_0002), (ushort)999);
        Put(QueueNotify, 0);
        _workers.Run();
        Assert.Equal(NeedsReset, Get(Status) & NeedsReset);
        Assert.Equal(2u, Get(InterruptStatus));
        Assert.Single(_diagnostics);
        Start(0);
        Assert.Equal((0u, 0u), (Get(Status) & NeedsReset, Get(InterruptStatus)));
        Assert.Equal(0, Identify(null));
    }

    [Fact]
    public void Reset_ClearsInterruptsAndQueues()
    {
        Identify(Start(0));
        Put(Status, 0);
        Assert.False(_wire.IsAsserted);
        Put(QueueSel, 0);
        Assert.Equal((0u, 0u, 0u), (Get(Status), Get(InterruptStatus), Get(QueueReady)));
    }

    [Fact]
    public void Doorbell_WhileTheDriverIsReady_TellsTheQueuesApart()
    {
        Assert.Null(_transport.Doorbell(1));
        int changes = 0;
        _transport.DoorbellsChanged += () => changes++;
        Start(0);
        Assert.Equal(new VirtioDoorbell(Base + QueueNotify, 1, 4), _transport.Doorbell(1));
        Put(Status, 0);
        Assert.Null(_transport.Doorbell(1));
        Assert.Equal(2, changes);
    }

    [Fact]
    public void State_RoundTrip_TheDriverGoesOn()
    {
        PackedQueueDriver? packed = Start(VirtioFeatures.VIRTIO_F_RING_PACKED);
        Assert.Equal(0, Identify(packed));
        using VirtioMmioTests other = new();
        StateContract.Check(_transport, other._transport);
        Assert.True(other._wire.IsAsserted);
        Assert.Equal(0, Identify(packed));
        VirtioMmioTransport rng = new(new VirtioRng(new SeededEntropy(1), _workers), _test.Memory, Base, _wire);
        Assert.Throws<StateException>(() => rng.Restore(_transport.Save()));
    }

    [Fact]
    public void Registers_Tormented_NeverThrowNeverFlood()
    {
        HostileGuest guest = new(3) { Meanwhile = _ => _workers.Run() };
        guest.Torment(120_000, new FakeClock(), _guest.Mmio);
        Assert.True(_diagnostics.Count < 20_000);
        _disk.Resize((int)DiskBytes);
        Start(0);
        Assert.Equal(0, Identify(null));
    }

    private uint Get(uint register) => _guest.Load32(Base + register);

    private void Put(uint register, uint value) => _guest.Store32(Base + register, value);

    private bool Negotiate(ulong features)
    {
        Put(Status, 0);
        Put(Status, Acknowledge | Driver);
        for (uint word = 0; word < 2; word++)
        {
            Put(DriverFeaturesSel, word);
            Put(DriverFeatures, (uint)(features >> (32 * (int)word)));
        }

        Put(Status, Acknowledge | Driver | FeaturesOk);
        return (Get(Status) & FeaturesOk) != 0;
    }

    private void SetUp(uint queue)
    {
        ulong at = Heap + queue * 0x10_0000;
        Assert.True(_test.Memory.TryFill(new(at), 0x4_0000, 0));
        Put(QueueSel, queue);
        Put(QueueNum, 16);
        Put(QueueDescLow, (uint)at);
        Put(QueueDescHigh, 0);
        Put(QueueDriverLow, (uint)at + 0x1_0000);
        Put(QueueDriverHigh, 0);
        Put(QueueDeviceLow, (uint)at + 0x2_0000);
        Put(QueueDeviceHigh, 0);
        Put(QueueReady, 1);
        Assert.Equal(1u, Get(QueueReady));
    }

    private PackedQueueDriver? Start(ulong features)
    {
        Assert.True(Negotiate(features | VirtioFeatures.VIRTIO_F_VERSION_1));
        SetUp(0);
        SetUp(1);
        Put(Status, Acknowledge | Driver | FeaturesOk | DriverOk);
        bool isPacked = (features & VirtioFeatures.VIRTIO_F_RING_PACKED) != 0;
        return isPacked ? new PackedQueueDriver(_test.Memory, Heap, Heap + 0x1_0000, Heap + 0x2_0000, 16, hasEventIndex: false) : null;
    }

    /// <summary>Asks for the serial number; gives the status.</summary>
    private int Identify(PackedQueueDriver? packed)
    {
        const ulong Buffer = Heap + 0x4_0000;
        Assert.True(_test.Memory.TryWrite(new(Buffer), 8u) && _test.Memory.TryWrite(new(Buffer + 64 + 20), (byte)0xee));
        if (packed is not null)
        {
            packed.Offer([new(Buffer, 16, false), new(Buffer + 64, 21, true)]);
        }
        else
        {
            Assert.True(_test.Memory.TryWrite(new(Heap), Buffer) && _test.Memory.TryWrite(new(Heap + 8), 16u | (1ul << 32) | (1ul << 48)));
            Assert.True(_test.Memory.TryWrite(new(Heap + 16), Buffer + 64) && _test.Memory.TryWrite(new(Heap + 24), 21u | (2ul << 32)));
            Assert.True(_test.Memory.TryWrite(new(Heap + 0x1_0002), (ushort)1));
        }

        Put(QueueNotify, 0);
        _workers.Run();
        packed?.Take();
        Assert.True(_test.Memory.TryRead(new(Buffer + 64 + 20), out byte status));
        return status;
    }

    private void Write(PackedQueueDriver packed)
    {
        const ulong Buffer = Heap + 0x4_0000;
        Assert.True(_test.Memory.TryWrite(new(Buffer), 1u));
        packed.Offer([new(Buffer, 16 + 512, false), new(Buffer + 4096, 1, true)]);
        Put(QueueNotify, 0);
        _workers.Run();
    }
}
