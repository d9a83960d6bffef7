using System.Net;
using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Network.Netlink;
using Vmm.Network.Tap;
using Vmm.Network.Tests.Offload;
using Vmm.TestKit;

namespace Vmm.Network.Tests.Tap;

public sealed class TapTests : IDisposable
{
    private const NetOffloads All = NetOffloads.Checksum | NetOffloads.Tso4 | NetOffloads.Tso6 | NetOffloads.TsoEcn;

    private readonly EpollLoop _loop = new("tap test", _ => { });
    private readonly List<string> _notes = [];

    public void Dispose() => _loop.Dispose();

    [PrivateNetworkFact]
    public void Open_NewInABridge_ReadyAndGoneAtTheEnd() => PrivateNetwork.Run(() =>
    {
        using RouteNetlink host = new();
        LinkInfo bridge = NewBridge(host, mtu: 4000);
        using (TapBackend tap = Open(new TapOptions { Name = "net-t0", Bridge = "br0", GuestMac = new MacAddress(0x5254_0000_0001) }))
        {
            LinkInfo link = host.FindLink("net-t0")!;
            Assert.Equal(("tun", bridge.Index, 4000, true, 0xfe54_0000_0001ul), (link.Kind, link.MasterIndex, link.Mtu, link.IsUp, link.Mac.Value));
            Assert.Equal((4000, "net-t0", 1), (tap.Mtu, tap.Name, tap.QueueCount));
            Assert.Equal(4000, host.FindLink("br0")!.Mtu);
            Assert.Equal(All, tap.Offloads & All);
        }

        // A process that another test is starting just now may hold the descriptor for a moment.
        Assert.True(SpinWait.SpinUntil(() => host.FindLink("net-t0") is null, TimeSpan.FromSeconds(10)));
    });

    [PrivateNetworkFact]
    public void Frames_ThroughABridge_WithWhatWasLeftUndone() => PrivateNetwork.Run(() =>
    {
        using RouteNetlink host = new();
        NewBridge(host, mtu: 1500);
        using TapBackend first = Open(new TapOptions { Bridge = "br0", Queues = 2 }), second = Open(new TapOptions { Bridge = "br0" });
        using NetEnd a = new(first), b = new(second);
        second.Configure(All, 1);
        (NetHeader header, byte[] frame) = Packets.Long(isV6: false, Packets.Tcp, 20_000, 1448);
        MacAddress.Broadcast.Write(frame);
        byte[] sent = Packets.Join(header, frame), got;
        a.Send(sent);
        do got = b.Receive();
        while (got.Length != sent.Length);
        Assert.Equal((header.Segmentation, header.SegmentSize, true), (NetHeader.Read(got).Segmentation, NetHeader.Read(got).SegmentSize, NetHeader.Read(got).NeedsChecksum));
        Assert.Equal(frame, got[12..]);
        // Nothing taken undone: the kernel cuts and sums.
        second.Configure(NetOffloads.None, 1);
        a.Send(sent);
        List<byte> payload = [];
        while (payload.Count < 20_000)
        {
            got = b.Receive();
            if (got.Length < 12 + header.HeaderLength || got[12 + 23] != Packets.Tcp || got[12 + 13] != 0) continue;
            Assert.True(Packets.IsRight(got[12..]) && got[0] == 0);
            payload.AddRange(got[(12 + header.HeaderLength)..]);
        }

        Assert.Equal(frame[header.HeaderLength..], payload);
        first.Configure(All, 2);
        Assert.Equal((2, NetSendResult.Sent), (first.QueueCount, a.TrySend(sent, queue: 1)));
        first.Configure(All, 1);
        Assert.Equal(NetSendResult.Dropped, a.TrySend(sent, queue: 1));
    });

    [PrivateNetworkFact]
    public void LongUdp_ThroughABridge_WholeOrInPieces() => PrivateNetwork.Run(() =>
    {
        using RouteNetlink host = new();
        NewBridge(host, mtu: 1500);
        using TapBackend first = Open(new TapOptions { Bridge = "br0" }), second = Open(new TapOptions { Bridge = "br0" });
        // TUN_F_USO4 and TUN_F_USO6 are there since Linux 6.2.
        bool hasUso = (first.Offloads & NetOffloads.Uso) != 0;
        Assert.Equal(Environment.OSVersion.Version >= new Version(6, 2), hasUso);
        if (!hasUso) return;
        using NetEnd a = new(first), b = new(second);
        (NetHeader header, byte[] frame) = Packets.Long(isV6: false, Packets.Udp, 5000, 1000);
        MacAddress.Broadcast.Write(frame);
        byte[] sent = Packets.Join(header, frame), got;
        second.Configure(All | NetOffloads.Uso, 1);
        a.Send(sent);
        do got = b.Receive();
        while (got.Length != sent.Length);
        Assert.Equal((NetSegmentation.VIRTIO_NET_HDR_GSO_UDP_L4, (ushort)1000), (NetHeader.Read(got).SegmentKind, NetHeader.Read(got).SegmentSize));
        second.Configure(NetOffloads.None, 1);
        a.Send(sent);
        List<byte> payload = [];
        while (payload.Count < 5000)
        {
            got = b.Receive();
            if (got.Length < 12 + header.HeaderLength || got[12 + 23] != Packets.Udp || got.Length == sent.Length) continue;
            Assert.True(Packets.IsRight(got[12..]) && got.Length <= 12 + header.HeaderLength + 1000);
            payload.AddRange(got[(12 + header.HeaderLength)..]);
        }

        Assert.Equal(frame[header.HeaderLength..], payload);
    });

    [PrivateNetworkFact]
    public void Removed_WhileInUse_LinkDownWithOneLine() => PrivateNetwork.Run(() =>
    {
        using RouteNetlink host = new();
        using TapBackend tap = Open(new TapOptions { Name = "net-t0" });
        using NetEnd end = new(tap);
        end.TryReceive();
        host.DeleteLink(host.FindLink("net-t0")!);
        end.WaitFor(() =>
        {
            end.TryReceive();
            return !tap.IsLinkUp;
        });
        end.TrySend(new byte[100]);
        Assert.Single(_notes);
    });

    [PrivateNetworkFact]
    public void Open_WhatCannotBe_SaysWhy() => PrivateNetwork.Run(() =>
    {
        using RouteNetlink host = new();
        host.CreateVethPair("v0", "v1");
        Assert.Contains("no bridge none", Refused(new TapOptions { Bridge = "none" }), StringComparison.Ordinal);
        Assert.Contains("v0 is no bridge", Refused(new TapOptions { Bridge = "v0" }), StringComparison.Ordinal);
        Assert.Contains("v0", Refused(new TapOptions { Name = "v0" }), StringComparison.Ordinal);
        Assert.Contains("no name", Refused(new TapOptions { Name = "a/b" }), StringComparison.Ordinal);
        Assert.Contains("not an open TAP", Refused(new TapOptions { Descriptors = [9999] }), StringComparison.Ordinal);
        using FileStream file = File.OpenRead("/dev/null");
        Assert.Contains("not an open TAP", Refused(new TapOptions { Descriptors = [(int)file.SafeFileHandle.DangerousGetHandle()] }), StringComparison.Ordinal);
        using TapBackend busy = Open(new TapOptions { Name = "net-t0" });
        Assert.Contains("in use", Refused(new TapOptions { Name = "net-t0" }), StringComparison.Ordinal);
        Assert.DoesNotContain(host.Links(), link => link.Name.StartsWith("vmm", StringComparison.Ordinal));
    });

    [PrivateNetworkFact]
    public void Netlink_AddressesAndRoutes_AddedListedRemoved() => PrivateNetwork.Run(() =>
    {
        using RouteNetlink host = new();
        int index = host.CreateVethPair("v0", "v1");
        LinkInfo link = host.FindLink("v0")!;
        host.ChangeLink(link, new LinkChange { IsUp = true, Mtu = 1400 });
        host.ChangeLink(host.FindLink("v1")!, new LinkChange { IsUp = true });
        foreach ((string address, int prefix, string network) in new[] { ("10.1.2.3", 24, "10.9.0.0"), ("fd00::1", 64, "fd99::") })
        {
            AddressInfo own = new(index, IPAddress.Parse(address), prefix);
            host.AddAddress(own);
            Assert.Contains(own, host.Addresses());
            Assert.Equal(17, Assert.Throws<LinuxException>(() => host.AddAddress(own)).Error);
            RouteInfo route = new(IPAddress.Parse(network), prefix, null, index);
            host.AddRoute(route);
            Assert.Contains(route, host.Routes());
            host.DeleteRoute(route);
            Assert.DoesNotContain(route, host.Routes());
            host.DeleteAddress(own);
            Assert.DoesNotContain(own, host.Addresses());
        }

        Assert.Equal((1400, true), (host.FindLink("v0")!.Mtu, host.FindLink("v0")!.IsUp));
        host.DeleteLink(link);
        Assert.Null(host.FindLink("v1"));
    });

    private static LinkInfo NewBridge(RouteNetlink host, int mtu)
    {
        host.CreateLink("br0", "bridge");
        LinkInfo bridge = host.FindLink("br0")!;
        host.ChangeLink(bridge, new LinkChange { IsUp = true, Mtu = mtu });
        return bridge;
    }

    private string Refused(TapOptions options) => Assert.Throws<LinuxException>(() => Open(options)).Message;

    private TapBackend Open(TapOptions options) => TapOpener.Open(_loop, options, line =>
    {
        lock (_notes) _notes.Add(line);
    });
}
