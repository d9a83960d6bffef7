using Vmm.Devices.Virtio.Rng;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests;

/// <summary>What the specification asks of every device, whatever it is.</summary>
public class VirtioCoreTests
{
    private const ulong First = 1 << 0, Second = 1 << 1;

    [Theory]
    [InlineData(0ul, true)]
    [InlineData(First, true)]
    [InlineData(Second, false)]
    [InlineData(First | Second, true)]
    public void FeaturesOk_FeatureWithoutTheOneItNeeds_Refused(ulong features, bool expected)
    {
        using VirtioBench bench = new(_ => new Picky());
        Assert.Equal(expected, bench.Driver.Negotiate(VirtioDriver.Version1 | features));
    }

    [Fact]
    public void Offered_WhatEveryQueueCanDo_AndNothingThatNobodyDoes()
    {
        using VirtioBench bench = new(_ => new Picky());
        Assert.Equal(VirtioDriver.Version1 | VirtioDriver.Indirect | VirtioDriver.EventIndex | VirtioDriver.Packed | VirtioDriver.RingReset | First | Second, bench.Driver.OfferedByDevice);
        Assert.Equal(0ul, bench.Driver.OfferedByDevice & VirtioFeatures.VIRTIO_F_ACCESS_PLATFORM);
    }

    [Fact]
    public void ConfigGeneration_SameUntilTheConfigurationIsAnother()
    {
        Picky device = new();
        using VirtioBench bench = new(_ => device);
        ulong generation = bench.Driver.Common + 21;
        ulong first = bench.Guest.Load(generation, 1);
        Assert.Equal(first, bench.Guest.Load(generation, 1));
        // Nobody has said so yet.
        device.Config[3] = 1;
        ulong second = bench.Guest.Load(generation, 1);
        Assert.NotEqual(first, second);
        Assert.Equal(second, bench.Guest.Load(generation, 1));
    }

    [Fact]
    public void Status_BitsOfTheDevice_CannotBeSetNorAnyCleared()
    {
        using VirtioBench bench = new(_ => new Picky());
        bench.Driver.Status = VirtioDriver.Acknowledge | VirtioDriver.NeedsReset | 0x30;
        Assert.Equal(VirtioDriver.Acknowledge, bench.Driver.Status);
        bench.Driver.Status = VirtioDriver.Driver;
        Assert.Equal(VirtioDriver.Acknowledge | VirtioDriver.Driver, bench.Driver.Status);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void KickToInterrupt_OnceWarm_AllocatesNothing(bool isPacked, bool usesMessages)
    {
        using VirtioBench bench = new(workers => new VirtioRng(new SeededEntropy(1), workers));
        bench.Driver.UsesPacked = isPacked;
        if (usesMessages) bench.EnableMsix();
        VirtioDriver.Ring ring = bench.Start(VirtioDriver.EventIndex)[0];
        ring.Describe(ring.Descriptors, 0, ring.Buffers, 8, 2, 0);
        PackedQueueDriver.Buffer[] buffers = [new(ring.Buffers, 8, IsWritable: true)];
        Serve(bench, ring, buffers, 100);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Serve(bench, ring, buffers, 1000);
        // A collection on another thread may count the unused rest of an allocation context, up to 8 KiB; one object a round would be far more.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8192);
        Assert.Equal(usesMessages ? 1100 : 0, bench.Msi.Count);
    }

    private static void Serve(VirtioBench bench, VirtioDriver.Ring ring, ReadOnlySpan<PackedQueueDriver.Buffer> buffers, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (ring.Packed is { } packed)
            {
                packed.Offer(buffers);
                ring.Kick();
            }
            else
            {
                ring.Offer(0);
            }

            bench.Workers.Run();
            if ((ring.Packed is null ? ring.Take()?.Length : ring.Packed.Take()?.Length) != 8) throw new InvalidOperationException("the device did not answer");
        }
    }

    /// <summary>A device whose second feature needs its first.</summary>
    private sealed class Picky : IVirtioDevice
    {
        private static readonly ushort[] Sizes = [8];

        public byte[] Config { get; } = new byte[8];

        public string Name => "picky";

        public ushort DeviceId => 63;

        public uint PciClass => 0xff0000;

        public ulong OfferedFeatures => First | Second;

        public ReadOnlySpan<ushort> QueueSizes => Sizes;

        public uint ConfigBytes => (uint)Config.Length;

        public bool Accepts(ulong features) => (features & Second) == 0 || (features & First) != 0;

        public void ReadConfig(uint offset, Span<byte> data) => Config.AsSpan((int)offset, data.Length).CopyTo(data);

        public void WriteConfig(uint offset, ReadOnlySpan<byte> data) { }

        public void Activate(VirtioActivation activation) { }

        public void OnKick(int queue) { }

        public void Reset() { }
    }
}
