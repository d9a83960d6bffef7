using System.Buffers.Binary;
using System.Net;
using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Network.Netlink;
using Vmm.Network.Tap;
using Vmm.Network.Xend;
using Vmm.TestKit;

namespace Vmm.Network.Tests.Xend;

public sealed class VifTests : IDisposable
{
    private const string Mac = "00:16:3e:00:00:05", OtherMac = "00:16:3e:00:00:06";
    private const ushort Arp = 0x0806, Ip = 0x0800, OldVlan = 0x8100;

    private readonly TestStore _test = new();
    private readonly EpollLoop _loop = new("vif test", _ => { });
    private readonly List<string> _notes = [];

    public void Dispose()
    {
        _loop.Dispose();
        _test.Dispose();
    }

    [PrivateNetworkFact]
    public void Attach_OnABridge_ReadyAndGoneAtTheEnd() => OnBridge(host =>
    {
        string before = Links();
        using (Vif vif = Attach(new VifSpec { DomainId = 7, DeviceId = 1, Mac = Mac, Bridge = "xenbr0" }))
        {
            LinkInfo link = host.FindLink("vif7.1")!;
            Assert.Equal((0xfeff_ffff_fffful, false, true, 4000), (link.Mac.Value, link.HasArp, link.IsUp, link.Mtu));
            Assert.Equal(host.FindLink("xenbr0")!.Index, link.MasterIndex);
            Assert.Equal("1\n", File.ReadAllText("/proc/sys/net/ipv6/conf/vif7.1/disable_ipv6"));
            Assert.Equal((4000, "vif7.1"), (vif.Mtu, vif.Name));
            foreach (Host.Net.TapQueue queue in vif.Queues) queue.Dispose();
        }

        Assert.Null(host.FindLink("vif7.1"));
        TestHost.WaitUntil(() => TestHost.Run("ip link show xenbr0").Contains("NO-CARRIER", StringComparison.Ordinal));
        Assert.Equal(before, Links());
        Assert.Empty(Directory.GetFiles(Path.Combine(_test.Store.Folder, "vifs")));
    });

    [PrivateNetworkFact]
    public void Attach_WithATwin_BothInTheBridge() => OnBridge(host =>
    {
        using Vif vif = Attach(new VifSpec { DomainId = 7, DeviceId = 0, Mac = Mac, Bridge = "xenbr0", HasTwin = true, InterfaceName = "web", Addresses = ["10.0.0.5"] });
        Assert.Equal((host.FindLink("web")!.MasterIndex, true), (host.FindLink("web-emu")!.MasterIndex, host.FindLink("web-emu")!.IsUp));
        Assert.Contains("netdev vmm-web-emu", TestHost.Run("nft list tables"), StringComparison.Ordinal);
        vif.Dispose();
        Assert.Equal("", TestHost.Run("nft list tables"));
        Assert.Null(host.FindLink("web-emu"));
        vif.Queues[0].Dispose();
    });

    [PrivateNetworkFact]
    public void Guard_FramesOfOthers_AreDropped() => OnBridge(host =>
    {
        using Vif guarded = Attach(new VifSpec { DomainId = 1, DeviceId = 0, Mac = Mac, Bridge = "xenbr0", Addresses = ["10.0.0.5", "10.0.1.0/29", "fd00::5"] });
        using Vif free = Attach(new VifSpec { DomainId = 2, DeviceId = 0, Mac = OtherMac, Bridge = "xenbr0" });
        using TapBackend first = new(_loop, guarded.Queues, 1500, _ => { }), second = new(_loop, free.Queues, 1500, _ => { });
        using NetEnd sender = new(first), receiver = new(second);
        byte last = 0;
        foreach ((byte[] frame, bool passes) in Frames())
        {
            // Each is followed by one that passes, so that nobody has to wait for what does not come.
            frame[^1] = ++last;
            byte[] good = Ipv4(Mac, "10.0.0.5");
            good[^1] = 0xff;
            sender.Send([.. new byte[INetBackend.HeaderBytes], .. frame]);
            sender.Send([.. new byte[INetBackend.HeaderBytes], .. good]);
            List<byte> got = [];
            while (!got.Contains(0xff)) got.Add(receiver.Receive()[^1]);
            Assert.True(passes == got.Contains(last), $"frame {last} of {Convert.ToHexString(frame)}");
        }
    });

    [PrivateNetworkFact]
    public void Attach_Routed_HostRoutesToIt() => PrivateNetwork.Run(() =>
    {
        TestHost.Make();
        string before = TestHost.Picture();
        Vif vif = Attach(new VifSpec { DomainId = 3, DeviceId = 0, Mac = Mac, Script = "vif-route", Addresses = ["10.1.0.77", "10.1.0.80/29"] });
        string routes = TestHost.Run("ip route");
        Assert.True(routes.Contains("10.1.0.77 dev vif3.0 proto static scope link src 10.1.0.2 metric 2", StringComparison.Ordinal), routes);
        Assert.Contains("10.1.0.80/29 dev vif3.0", routes, StringComparison.Ordinal);
        Assert.Equal("1\n", File.ReadAllText("/proc/sys/net/ipv4/conf/vif3.0/proxy_arp"));
        Assert.Contains("table netdev vmm-vif3.0", TestHost.Run("nft list ruleset"), StringComparison.Ordinal);
        vif.Dispose();
        vif.Queues[0].Dispose();
        Assert.Equal(before, TestHost.Picture());
    });

    [PrivateNetworkFact]
    public void Attach_WhatCannotBe_SaysWhyAndLeavesNothing() => OnBridge(host =>
    {
        string before = TestHost.Picture();
        VifSpec spec = new() { DomainId = 4, DeviceId = 0, Mac = Mac };
        Assert.Contains("no bridge nothing", Refused(spec with { Bridge = "nothing" }), StringComparison.Ordinal);
        Assert.Contains("lo is no bridge", Refused(spec with { Bridge = "lo" }), StringComparison.Ordinal);
        Assert.Contains("no script vif-magic", Refused(spec with { Script = "vif-magic" }), StringComparison.Ordinal);
        Assert.Contains("needs its address", Refused(spec with { Script = "vif-route" }), StringComparison.Ordinal);
        Assert.Contains("IPv4 only", Refused(spec with { Script = "vif-route", Addresses = ["fd00::1"] }), StringComparison.Ordinal);
        Assert.Contains("interface lo already", Refused(spec with { Bridge = "xenbr0", InterfaceName = "lo" }), StringComparison.Ordinal);
        Assert.Equal(before, TestHost.Picture());
        using Vif vif = Attach(spec with { Bridge = "xenbr0" });
        Assert.Contains("another domain's", Refused(spec with { Bridge = "xenbr0" }), StringComparison.Ordinal);
        vif.Queues[0].Dispose();
    });

    [PrivateNetworkFact]
    public void Sweep_OwnerDied_RulesAreGoneAndOthersStay() => OnBridge(host =>
    {
        VifSpec spec = new() { DomainId = 5, DeviceId = 0, Mac = Mac, Bridge = "xenbr0", Addresses = ["10.0.0.5"] };
        using Vif living = Attach(spec with { DomainId = 6 });
        Vif dead = Attach(spec);
        string vifs = Path.Combine(_test.Store.Folder, "vifs");
        byte[] record = File.ReadAllBytes(Path.Combine(vifs, "vif5.0.json"));
        string rules = TestHost.Run("nft list table netdev vmm-vif5.0");
        dead.Dispose();
        dead.Queues[0].Dispose();
        // What kill -9 leaves: the record and the rules, and nobody who has the lock.
        File.WriteAllBytes(Path.Combine(vifs, "vif5.0.json"), record);
        TestHost.Run("nft add table netdev vmm-vif5.0");
        Assert.Contains("vmm-vif5.0", rules, StringComparison.Ordinal);
        Vif.Sweep(_test.Store, _notes.Add);
        Assert.DoesNotContain("vif5.0", TestHost.Run("nft list tables"), StringComparison.Ordinal);
        Assert.Contains("vif6.0", TestHost.Run("nft list tables"), StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(vifs, "vif5.0.json")));
        Assert.NotNull(host.FindLink("vif6.0"));
        living.Queues[0].Dispose();
    });

    // What a bridge may send at once is its ports' affair, and stays so when they are gone.
    private static string Links() => TestHost.Run("ip -br link") + TestHost.Run("ip -j addr") + TestHost.Run("ip route show table all") + TestHost.Run("nft list ruleset");

    private static IEnumerable<(byte[] Frame, bool Passes)> Frames()
    {
        yield return (Ipv4(Mac, "10.0.0.5"), true);
        yield return (Ipv4(Mac, "10.0.1.3"), true);
        yield return (Ipv4(Mac, "10.0.1.8"), false);
        yield return (Ipv4(Mac, "10.0.0.6"), false);
        yield return (Ipv4(OtherMac, "10.0.0.5"), false);
        yield return (ArpOf(Mac, Mac, "10.0.0.5"), true);
        yield return (ArpOf(Mac, Mac, "0.0.0.0"), true);
        yield return (ArpOf(Mac, Mac, "10.0.0.1"), false);
        yield return (ArpOf(Mac, OtherMac, "10.0.0.5"), false);
        yield return (Ipv6(Mac, "fd00::5"), true);
        yield return (Ipv6(Mac, "fd00::6"), false);
        yield return (Advertisement(Mac, "fd00::5"), true);
        yield return (Advertisement(Mac, "fd00::6"), false);
        // In a VLAN's clothes.
        yield return ([.. Ipv4(Mac, "10.0.0.6")[..12], OldVlan >> 8, OldVlan & 0xff, 0, 1, .. Ipv4(Mac, "10.0.0.6")[12..]], false);
    }

    private static byte[] Ethernet(string source, ushort type, int bytes)
    {
        byte[] frame = new byte[14 + bytes];
        MacAddress.Broadcast.Write(frame);
        MacOf(source).Write(frame.AsSpan(6));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), type);
        return frame;
    }

    private static MacAddress MacOf(string text) => MacAddress.TryParse(text, out MacAddress mac) ? mac : throw new ArgumentException(text);

    private static byte[] Ipv4(string source, string address)
    {
        byte[] frame = Ethernet(source, Ip, 50);
        (frame[14], frame[17], frame[22], frame[23]) = (0x45, 50, 64, 17);
        IPAddress.Parse(address).GetAddressBytes().CopyTo(frame, 26);
        IPAddress.Parse("255.255.255.255").GetAddressBytes().CopyTo(frame, 30);
        // Bridges with br_netfilter drop what has a wrong one.
        uint sum = 0;
        for (int i = 14; i < 34; i += 2) sum += BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(i));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(24), (ushort)~((sum & 0xffff) + (sum >> 16)));
        return frame;
    }

    private static byte[] ArpOf(string source, string sender, string address)
    {
        byte[] frame = Ethernet(source, Arp, 46);
        new byte[] { 0, 1, 8, 0, 6, 4, 0, 1 }.CopyTo(frame, 14);
        MacOf(sender).Write(frame.AsSpan(22));
        IPAddress.Parse(address).GetAddressBytes().CopyTo(frame, 28);
        return frame;
    }

    private static byte[] Ipv6(string source, string address, byte next = 59, int bytes = 8)
    {
        byte[] frame = Ethernet(source, 0x86dd, 40 + bytes);
        (frame[14], frame[19], frame[20], frame[21]) = (0x60, (byte)bytes, next, 255);
        IPAddress.Parse(address).GetAddressBytes().CopyTo(frame, 22);
        IPAddress.Parse("ff02::1").GetAddressBytes().CopyTo(frame, 38);
        return frame;
    }

    private static byte[] Advertisement(string source, string target)
    {
        byte[] frame = Ipv6(source, "fd00::5", next: 58, bytes: 32);
        frame[54] = 136;
        IPAddress.Parse(target).GetAddressBytes().CopyTo(frame, 62);
        return frame;
    }

    private static void OnBridge(Action<RouteNetlink> test) => PrivateNetwork.Run(() =>
    {
        using RouteNetlink host = new();
        host.CreateBridge("xenbr0", new MacAddress(0x5254_0000_0001), 4000);
        host.ChangeLink(host.FindLink("xenbr0")!, new LinkChange { IsUp = true });
        File.WriteAllText("/proc/sys/net/ipv6/conf/xenbr0/disable_ipv6", "1");
        File.WriteAllText("/proc/sys/net/ipv4/conf/xenbr0/forwarding", "0");
        TestHost.WaitUntil(() => TestHost.Run("ip link show xenbr0").Contains("NO-CARRIER", StringComparison.Ordinal));
        test(host);
    });

    private Vif Attach(VifSpec spec) => Vif.Attach(spec, _test.Store, "/nonexistent", _notes.Add);

    private string Refused(VifSpec spec) => Assert.Throws<LinuxException>(() => Attach(spec)).Message;
}
