using Vmm.Core.Backends;
using Vmm.Devices.Virtio.Net;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests.Net;

public sealed class VirtioNetControlTests : IDisposable
{
    private const byte Rx = 0, Mac = 1, Vlan = 2, Announce = 3, Pairs = 4, Offloads = 5;

    private static readonly MacAddress Group = new(0x0100_5e00_0001), OtherGroup = new(0x0100_5e00_0002);

    private readonly NetBench _bench = new(queues: 2);
    private readonly VirtioDriver.Ring[] _rings;

    public VirtioNetControlTests()
    {
        _rings = _bench.Machine.Start();
        NetBench.OfferBuffers(_rings[0], 32, 1536);
    }

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Filter_Promiscuous_All()
    {
        Assert.True(Passes(NetBench.Other) && Passes(Group) && Passes(NetBench.Own, vlan: 7));
        Command(NetBench.Ok, Rx, 0, 0);
        Assert.False(Passes(NetBench.Other));
        Assert.False(Passes(Group));
        Assert.True(Passes(NetBench.Own));
        Assert.True(Passes(MacAddress.Broadcast));
        Assert.Equal(2ul, _bench.Device.Statistics.ReceiveFiltered);
    }

    [Fact]
    public void Filter_Tables_TheirAddresses()
    {
        Command(NetBench.Ok, Rx, 0, 0);
        Command(NetBench.Ok, Mac, 0, [.. Table(NetBench.Other), .. Table(Group)]);
        Assert.True(Passes(NetBench.Other) && Passes(Group) && !Passes(OtherGroup));
        Command(NetBench.Ok, Mac, 0, [.. Table(), .. Table([.. Enumerable.Repeat(Group, 65)])]);
        Assert.True(Passes(OtherGroup) && !Passes(NetBench.Other));
    }

    [Theory]
    [InlineData(1, 1, false, true)]
    [InlineData(2, 1, true, false)]
    [InlineData(3, 1, false, false)]
    public void Filter_Switches_OfTheirKind(byte command, byte on, bool otherPasses, bool groupPasses)
    {
        Command(NetBench.Ok, Rx, 0, 0);
        Command(NetBench.Ok, Rx, command, on);
        Assert.Equal((otherPasses, groupPasses), (Passes(NetBench.Other), Passes(Group)));
    }

    [Fact]
    public void Filter_NoUnicastNoBroadcast_Neither()
    {
        Command(NetBench.Ok, Rx, 0, 0);
        Command(NetBench.Ok, Rx, 4, 1);
        Command(NetBench.Ok, Rx, 5, 1);
        Assert.False(Passes(NetBench.Own) || Passes(MacAddress.Broadcast));
    }

    [Fact]
    public void Filter_Vlans_ThoseThatWereAdded()
    {
        Command(NetBench.Ok, Rx, 0, 0);
        Command(NetBench.Ok, Vlan, 0, 0xff, 0x0f);
        Assert.True(Passes(NetBench.Own, vlan: 4095));
        Assert.False(Passes(NetBench.Own, vlan: 4094));
        Command(NetBench.Ok, Vlan, 1, 0xff, 0x0f);
        Assert.False(Passes(NetBench.Own, vlan: 4095));
        Command(NetBench.Error, Vlan, 0, 0, 0x10);
    }

    [Fact]
    public void Address_Set_FilteredAndRead()
    {
        Command(NetBench.Ok, Rx, 0, 0);
        Command(NetBench.Ok, Mac, 1, 0x52, 0x54, 0, 0x99, 0x99, 0x99);
        Assert.True(Passes(NetBench.Other) && !Passes(NetBench.Own));
        Assert.Equal(0x99ul, _bench.Machine.Guest.Load(_bench.Machine.Driver.Device + 5, 1));
        _bench.Machine.Driver.Status = 0;
        Assert.Equal(0x56ul, _bench.Machine.Guest.Load(_bench.Machine.Driver.Device + 5, 1));
    }

    [Fact]
    public void Pairs_Set_SecondQueueReceives()
    {
        NetBench.OfferBuffers(_rings[2], 4, 1536);
        _bench.Link.Give(1, NetBench.Frame(100));
        _bench.Machine.Workers.Run();
        Assert.Equal((1, 0), (_bench.Link.QueuesInUse, _rings[2].UsedIndex));
        Command(NetBench.Ok, Pairs, 0, 2, 0);
        Assert.Equal((2, 1), (_bench.Link.QueuesInUse, _rings[2].UsedIndex));
        Command(NetBench.Error, Pairs, 0, 3, 0);
        Command(NetBench.Error, Pairs, 0, 0, 0);
    }

    [Fact]
    public void Pairs_DriverOfOneQueue_ControlQueueIsTheThird()
    {
        VirtioDriver.Ring control = _bench.Machine.Start(without: NetBench.Multiqueue)[2];
        Assert.Equal(NetBench.Ok, NetBench.Command(control, Rx, 0, 0));
        Assert.Equal(NetBench.Error, NetBench.Command(control, Pairs, 0, 2, 0));
    }

    [Fact]
    public void Offloads_Changed_ToldTheLink()
    {
        Command(NetBench.Ok, Offloads, 0, 0x82, 0, 0, 0, 0, 0, 0, 0);
        Assert.Equal(NetOffloads.Checksum | NetOffloads.Tso4, _bench.Link.Accepted);
        Command(NetBench.Error, Offloads, 0, 0, 0x04, 0, 0, 0, 0, 0, 0);
        Command(NetBench.Ok, Offloads, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        Assert.Equal(NetOffloads.None, _bench.Link.Accepted);
    }

    [Fact]
    public void Announce_Asked_UntilAcknowledged()
    {
        _bench.Device.Announce();
        Assert.Equal(3ul, _bench.Machine.Guest.Load(_bench.Machine.Driver.Device + 6, 2));
        Command(NetBench.Ok, Announce, 0);
        Assert.Equal(1ul, _bench.Machine.Guest.Load(_bench.Machine.Driver.Device + 6, 2));
        Command(NetBench.Error, Announce, 0);
    }

    [Fact]
    public void Announce_BetweenRestoreAndTheDriver_IsNotForgotten()
    {
        VirtioNetState state = _bench.Device.Save();
        using NetBench other = new(queues: 2);
        other.Device.Restore(state);
        other.Device.Announce();
        other.Device.SetLink(up: false);

        other.Machine.Start();

        Assert.Equal(2ul, other.Machine.Guest.Load(other.Machine.Driver.Device + 6, 2));
        // The interrupt of the configuration, without messages: by the wire.
        Assert.Equal(2ul, other.Machine.Guest.Load(other.Machine.Driver.Isr, 1) & 2);
    }

    [Theory]
    [InlineData("00 06 00")]
    [InlineData("00 00")]
    [InlineData("01 00 01 00 00")]
    [InlineData("01 00 ff ff ff ff")]
    [InlineData("01 01 01 02 03")]
    [InlineData("02 02 00 00")]
    [InlineData("05 00 01")]
    [InlineData("06 00 01")]
    [InlineData("ff ff")]
    public void Command_NotUnderstood_Error(string text)
    {
        byte[] bytes = Convert.FromHexString(text.Replace(" ", "", StringComparison.Ordinal));
        Command(NetBench.Error, bytes[0], bytes[1], bytes[2..]);
    }

    [Fact]
    public void Command_WithoutRoomForTheAnswer_LatchesTheQueue()
    {
        Assert.ThrowsAny<Exception>(() => _rings[4].Request([[0, 0], [1]], []));
        Assert.NotEqual(0, _bench.Machine.Driver.Status & VirtioDriver.NeedsReset);
    }

    private static byte[] Table(params MacAddress[] addresses)
    {
        byte[] table = new byte[4 + 6 * addresses.Length];
        BitConverter.TryWriteBytes(table, addresses.Length);
        for (int i = 0; i < addresses.Length; i++) addresses[i].Write(table.AsSpan(4 + 6 * i));
        return table;
    }

    private void Command(byte answer, byte kind, byte command, params byte[] data) => Assert.Equal(answer, NetBench.Command(_rings[4], kind, command, data));

    private bool Passes(MacAddress to, ushort vlan = 0)
    {
        ulong before = _bench.Device.Statistics.ReceivedFrames;
        _bench.Link.Give(0, NetBench.Frame(100, to, vlan));
        _bench.Machine.Workers.Run();
        return _bench.Device.Statistics.ReceivedFrames != before;
    }
}
