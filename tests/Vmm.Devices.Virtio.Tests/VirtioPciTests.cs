using Vmm.Core.State;
using Vmm.Devices.Virtio.Block;
using Vmm.Devices.Virtio.Rng;
using Vmm.Devices.Virtio.Transport;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

public sealed class VirtioPciTests : IDisposable
{
    private readonly MemoryDisk _disk = new(1 << 20);
    private readonly VirtioBench _bench;

    public VirtioPciTests() => _bench = new VirtioBench(workers => new VirtioBlock(_disk, new VirtioBlockOptions { QueueCount = 2, QueueSize = 16 }, workers));

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Identity_ModernDevice()
    {
        Assert.Equal(0x10421af4u, _bench.Config.Read32(0));
        Assert.Equal(1, _bench.Config.Read8(8));
        Assert.Equal([0x11, 9, 9, 9, 9, 9], _bench.Config.Capabilities().Select(c => (int)c.Id));
    }

    [Theory]
    [InlineData(0ul, false)]
    [InlineData(VirtioDriver.Indirect, false)]
    [InlineData(VirtioDriver.Version1, true)]
    [InlineData(VirtioDriver.Version1 | 1ul << 50, false)]
    public void FeaturesOk_OnlyForWhatWasOffered(ulong features, bool expected) => Assert.Equal(expected, _bench.Driver.Negotiate(features));

    [Fact]
    public void FeaturesOk_Refused_DriverOkStaysClear()
    {
        Assert.False(_bench.Driver.Negotiate(0));
        _bench.Driver.Start();
        Assert.Equal(0, _bench.Driver.Status & VirtioDriver.DriverOk);
    }

    [Fact]
    public void DriverFeatures_AfterFeaturesOk_Frozen()
    {
        Assert.True(_bench.Driver.Negotiate(VirtioDriver.Version1));
        _bench.Guest.Store32(_bench.Driver.Common + 8, 1);
        _bench.Guest.Store32(_bench.Driver.Common + 12, 0);
        Assert.Equal(1u, _bench.Guest.Load32(_bench.Driver.Common + 12));
    }

    [Fact]
    public void Common_WidthsAndAbsentQueue_AsSpecified()
    {
        ulong common = _bench.Driver.Common;
        Assert.Equal(0xfful, _bench.Guest.Load(common, 1));
        Assert.Equal(2ul, _bench.Guest.Load(common + 18, 2));
        Assert.Equal(0xfffful, _bench.Guest.Load(common + 60, 2));
        _bench.Guest.Store(common + 22, 2, 2);
        Assert.Equal(0ul, _bench.Guest.Load(common + 24, 2));
        Assert.Equal(0xfffful, _bench.Guest.Load(common + 26, 2));
        _bench.Guest.Store(common + 22, 1, 2);
        Assert.Equal(16ul, _bench.Guest.Load(common + 24, 2));
        _bench.Guest.Store(common + 32, 0x1122334455667788, 8);
        Assert.Equal(0x11223344u, _bench.Guest.Load32(common + 36));
        _bench.Guest.Store(common + 26, 99, 2);
        Assert.Equal(0xfffful, _bench.Guest.Load(common + 26, 2));
        Assert.Equal(1ul, _bench.Guest.Load(common + 30, 2));
    }

    [Fact]
    public void EnabledQueue_AddressWritten_KeepsIt()
    {
        Assert.True(_bench.Driver.Negotiate(VirtioDriver.Version1));
        VirtioDriver.Ring ring = _bench.Driver.SetUp(0);
        _bench.Guest.Store(_bench.Driver.Common + 32, 0x5000, 8);
        Assert.Equal(ring.Descriptors, _bench.Guest.Load(_bench.Driver.Common + 32, 8));
    }

    [Fact]
    public void Kick_BeforeDriverOk_NothingIsServed()
    {
        Assert.True(_bench.Driver.Negotiate(VirtioDriver.Version1));
        VirtioDriver.Ring ring = _bench.Driver.SetUp(0);
        ring.Describe(ring.Descriptors, 0, ring.Buffers, 16, 1, 1);
        ring.Describe(ring.Descriptors, 1, ring.Buffers + 16, 1, 2, 0);
        ring.Offer(0);
        Assert.Equal(0, _bench.Workers.Run());
        _bench.Driver.Start();
        _bench.Workers.Run();
        Assert.Equal(1, ring.UsedIndex);
    }

    [Fact]
    public void Interrupt_WithoutMsix_WireUntilIsrIsRead()
    {
        VirtioDriver.Ring[] rings = _bench.Start(VirtioDriver.EventIndex);
        Identify(rings[0]);
        Assert.True(_bench.Wire.IsAsserted);
        Assert.Equal(1ul, _bench.Guest.Load(_bench.Driver.Isr, 1));
        Assert.False(_bench.Wire.IsAsserted);
        Assert.Equal(0ul, _bench.Guest.Load(_bench.Driver.Isr, 1));
    }

    [Fact]
    public void Interrupt_WithMsix_VectorOfTheQueue()
    {
        _bench.EnableMsix();
        VirtioDriver.Ring[] rings = _bench.Start(VirtioDriver.EventIndex);
        Identify(rings[0]);
        Identify(rings[1]);
        Identify(rings[1]);
        Assert.Equal((1, 2), (_bench.Msi.CountOf(0x41), _bench.Msi.CountOf(0x42)));
        Assert.False(_bench.Wire.IsAsserted);
    }

    [Fact]
    public void ConfigChange_Resize_InterruptsAndCounts()
    {
        _bench.EnableMsix();
        _bench.Start();
        _bench.Guest.Store(_bench.Driver.Common + 16, 0, 2);
        byte generation = (byte)_bench.Guest.Load(_bench.Driver.Common + 21, 1);
        _disk.Resize(2 << 20);
        Assert.Equal(1, _bench.Msi.CountOf(0x40));
        Assert.NotEqual(generation, (byte)_bench.Guest.Load(_bench.Driver.Common + 21, 1));
        Assert.Equal(4096ul, _bench.Guest.Load(_bench.Driver.Device, 8));
    }

    [Fact]
    public void BrokenQueue_NeedsResetOnce_ThenQuietThenGoodAgain()
    {
        VirtioDriver.Ring[] rings = _bench.Start();
        rings[0].Offer(999);
        rings[1].Offer(999);
        _bench.Workers.Run();
        Assert.NotEqual(0, _bench.Driver.Status & VirtioDriver.NeedsReset);
        Assert.True(_bench.Wire.IsAsserted);
        Assert.StartsWith("virtio-blk: queue 0 is broken", Assert.Single(_bench.Diagnostics), StringComparison.Ordinal);
        rings = _bench.Start();
        Assert.Equal(0, _bench.Driver.Status & VirtioDriver.NeedsReset);
        Identify(rings[0]);
    }

    [Fact]
    public void Reset_UnderIo_NotOverUntilTheRequestIs()
    {
        VirtioDriver.Ring[] rings = _bench.Start();
        byte during = 0, after = 0;
        _disk.DuringIo = () =>
        {
            _bench.Driver.Status = 0;
            during = _bench.Driver.Status;
            _bench.Driver.Status = VirtioDriver.Acknowledge;
            after = _bench.Driver.Status;
        };
        Write(rings[0]);
        Assert.Equal((0xf, 0xf), (during, after));
        Assert.Equal(0, _bench.Driver.Status);
        Assert.Equal(0, rings[0].UsedIndex);
        _disk.DuringIo = null;
        Identify(_bench.Start()[0]);
    }

    [Fact]
    public void QueueReset_UnderIo_OneUntilTheRequestIsOver()
    {
        VirtioDriver.Ring[] rings = _bench.Start();
        ulong reset = _bench.Driver.Common + 58;
        ulong during = 0;
        _disk.DuringIo = () =>
        {
            _bench.Guest.Store(_bench.Driver.Common + 22, 0, 2);
            _bench.Guest.Store(reset, 1, 2);
            during = _bench.Guest.Load(reset, 2);
        };
        Write(rings[0]);
        _disk.DuringIo = null;
        Assert.Equal((1ul, 0ul), (during, _bench.Guest.Load(reset, 2)));
        Assert.Equal(0ul, _bench.Guest.Load(_bench.Driver.Common + 28, 2));
        Identify(rings[1]);
        Identify(_bench.Driver.SetUp(0));
    }

    [Fact]
    public void ConfigAccess_Capability_ReachesTheStructures()
    {
        int at = _bench.Driver.ConfigAccess;
        _bench.Config.Write8(at + 4, 0);
        _bench.Config.Write32(at + 8, 18);
        _bench.Config.Write32(at + 12, 2);
        Assert.Equal(2u, _bench.Config.Read32(at + 16));
        _bench.Config.Write32(at + 8, 20);
        _bench.Config.Write32(at + 12, 1);
        _bench.Config.Write8(at + 16, VirtioDriver.Acknowledge);
        Assert.Equal(VirtioDriver.Acknowledge, _bench.Driver.Status);
        _bench.Config.Write32(at + 8, 21);
        _bench.Config.Write32(at + 12, 4);
        Assert.Equal(0u, _bench.Config.Read32(at + 16));
    }

    [Fact]
    public void Doorbell_WhileDriverIsReadyAndDecoded_IsWhereItKicks()
    {
        List<VirtioDoorbell?> seen = [];
        _bench.Transport.DoorbellsChanged += () => seen.Add(_bench.Transport.Doorbell(1));
        Assert.Null(_bench.Transport.Doorbell(1));
        VirtioDriver.Ring[] rings = _bench.Start();
        rings[1].Describe(rings[1].Descriptors, 0, rings[1].Buffers, 16, 1, 1);
        rings[1].Describe(rings[1].Descriptors, 1, rings[1].Buffers + 16, 1, 2, 0);
        VirtioDoorbell expected = new(_bench.Config.BarAddress(0) + 0x3004, null, 0);
        Assert.Equal(expected, _bench.Transport.Doorbell(1));
        _bench.Transport.Kick(1);
        Assert.Equal(1, _bench.Workers.Run());
        _bench.Config.Command(4);
        _bench.Config.Write32(0x10, 0xc800_0000);
        _bench.Config.Command(6);
        new VirtioDriver(_bench.Guest, _bench.Config, _bench.Memory, VirtioBench.Heap).Status = 0;
        Assert.Equal([expected, null, expected with { Address = 0xc800_3004 }, null], seen);
    }

    [Fact]
    public void State_RoundTrip_TheDriverGoesOnElsewhere()
    {
        _bench.EnableMsix();
        VirtioDriver.Ring[] rings = _bench.Start();
        Write(rings[0]);
        using VirtioBench other = new(workers => new VirtioBlock(_disk, new VirtioBlockOptions { QueueCount = 2, QueueSize = 16 }, workers));
        byte[] memory = new byte[VirtioBench.MemoryBytes];
        Assert.True(_bench.Memory.TryCopyOut(default, memory) && other.Memory.TryCopyIn(default, memory));
        StateContract.Check(_bench.Transport.Function, other.Transport.Function);
        StateContract.Check(_bench.Transport.Msix, other.Transport.Msix);
        StateContract.Check(_bench.Transport, other.Transport);
        Identify(rings[0]);
        VirtioDriver moved = new(other.Guest, other.Config, other.Memory, VirtioBench.Heap);
        Assert.Equal(0xf, moved.Status);
        ulong used = rings[1].Used;
        rings[1].Describe(rings[1].Descriptors, 0, rings[1].Buffers, 16, 1, 1);
        rings[1].Describe(rings[1].Descriptors, 1, rings[1].Buffers + 16, 1, 2, 0);
        Assert.True(_bench.Memory.TryCopyOut(new(rings[1].Descriptors), memory.AsSpan(0, 64)) && other.Memory.TryCopyIn(new(rings[1].Descriptors), memory.AsSpan(0, 64)));
        Assert.True(other.Memory.TryWrite(new(rings[1].Available + 2), (ushort)1));
        other.Transport.Kick(1);
        other.Workers.Run();
        Assert.True(other.Memory.TryRead(new(used + 2), out ushort index));
        Assert.Equal(1, index);
    }

    [Fact]
    public void State_ThatGoesOn_EveryQueueInterruptsOnce()
    {
        _bench.EnableMsix();
        _bench.Start();
        _bench.Transport.Hold();
        using VirtioBench other = new(workers => new VirtioBlock(_disk, new VirtioBlockOptions { QueueCount = 2, QueueSize = 16 }, workers));
        other.Transport.Hold();
        StateContract.Check(_bench.Transport.Function, other.Transport.Function);
        StateContract.Check(_bench.Transport.Msix, other.Transport.Msix);
        StateContract.Check(_bench.Transport, other.Transport);

        for (int i = 0; i < 2; i++)
        {
            other.Transport.Release();
            other.Transport.Hold();
        }

        Assert.Equal([0x41u, 0x42u], other.Msi.Messages.Select(m => m.Message.Data));
    }

    [Fact]
    public void State_WhileARequestIsUnderWay_Refused()
    {
        VirtioDriver.Ring[] rings = _bench.Start();
        StateException? refused = null;
        _disk.DuringIo = () => refused = Assert.Throws<StateException>(() => _bench.Transport.Save());
        Write(rings[0]);
        Assert.NotNull(refused);
    }

    [Fact]
    public void State_OfAnotherDevice_Refused()
    {
        using VirtioBench rng = new(workers => new VirtioRng(new SeededEntropy(1), workers));
        Assert.Throws<StateException>(() => rng.Transport.Restore(_bench.Transport.Save()));
        Assert.Throws<StateException>(() => _bench.Transport.Restore(_bench.Transport.Save() with { Core = new VirtioCoreState() }));
    }

    private static void Identify(VirtioDriver.Ring ring)
    {
        (byte[] written, uint length) = ring.Request([[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]], [20, 1]);
        Assert.Equal((21u, 0), (length, written[20]));
    }

    private void Write(VirtioDriver.Ring ring)
    {
        ring.Describe(ring.Descriptors, 0, ring.Buffers, 16 + 512, 1, 1);
        ring.Describe(ring.Descriptors, 1, ring.Buffers + 1024, 1, 2, 0);
        Assert.True(_bench.Memory.TryWrite(new(ring.Buffers), 1u));
        ring.Offer(0);
        _bench.Workers.Run();
        ring.Take();
    }
}
