using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Network.Netlink;
using Vmm.Network.Xend;
using Vmm.Network.Xend.Server;
using Vmm.TestKit;

namespace Vmm.Network.Tests.Xend;

public sealed class GuestServerTests : IDisposable
{
    private readonly TestStore _test = new();

    public void Dispose() => _test.Dispose();

    [PrivateNetworkFact]
    public void Start_Nat_GuestsGetAddressesAndTheServerComesBack() => PrivateNetwork.Run(() =>
    {
        TestHost.Make();
        string before = TestHost.Picture();
        NetworkPlan plan = new() { Kind = NetworkKind.Nat, Network = "10.99.0.0/24", Domain = "guests.example" };
        HostNetworks networks = new(_test.Store, TestProgram.Path, _ => { });
        networks.Start(plan);
        Connect("g0", "00:16:3e:00:00:01");
        Assert.Contains("10.99.0.2", Lease("g0"), StringComparison.Ordinal);
        // A guest whose interface has an address of its own gets that one, and nobody else does.
        using (Vif vif = Vif.Attach(new VifSpec { DomainId = 3, DeviceId = 0, Mac = "00:16:3e:00:00:02", Bridge = "virbr0", Addresses = ["10.99.0.3"] }, _test.Store, "/nonexistent", _ => { }))
        {
            Connect("g1", "00:16:3e:00:00:02");
            Connect("g2", "00:16:3e:00:00:03");
            Thread.Sleep(1100);
            Assert.Contains("10.99.0.4", Lease("g2"), StringComparison.Ordinal);
            Assert.Contains("10.99.0.3", Lease("g1"), StringComparison.Ordinal);
            vif.Queues[0].Dispose();
        }

        // A server that died is missed, comes back with the next start, and gives nobody another's address.
        ServerProcess server = new(_test.Store.Folder, "virbr0");
        TestHost.Run($"kill -9 {File.ReadAllText(Path.Combine(_test.Store.Folder, "virbr0.pid"))}");
        TestHost.WaitUntil(() => !server.IsAlive);
        Assert.Equal([NetworkStatus.NoServer], Assert.Single(networks.Status()).Problems);
        Assert.True(networks.Start(plan));
        Assert.True(Assert.Single(networks.Status()).IsWhole);
        Connect("g3", "00:16:3e:00:00:04");
        Assert.DoesNotContain("10.99.0.2 ", Lease("g3") + " ", StringComparison.Ordinal);
        Assert.Contains("10.99.0.2", Lease("g0"), StringComparison.Ordinal);
        networks.Stop(NetworkKind.Nat, null);
        foreach (string guest in (ReadOnlySpan<string>)["g0", "g1", "g2", "g3"]) TestHost.Run($"ip link del {guest}");
        Assert.Equal(before, TestHost.Picture());
        Assert.False(server.IsAlive);
    });

    [PrivateNetworkFact]
    public void Serve_AnotherProgramDoes_SaysSo() => PrivateNetwork.Run(() =>
    {
        using RouteNetlink host = new();
        host.CreateBridge("virbr0", new MacAddress(0x5254_0000_0001), 1500);
        NetworkPlan plan = new() { Kind = NetworkKind.Nat, Network = "10.99.0.0/24" };
        host.AddAddress(new AddressInfo(host.FindLink("virbr0")!.Index, System.Net.IPAddress.Parse("10.99.0.1"), 24));
        host.ChangeLink(host.FindLink("virbr0")!, new LinkChange { IsUp = true });
        using GuestServer first = new("virbr0", plan, _test.Store, Path.Combine(_test.Store.Folder, "leases"), _ => { });
        LinuxException failure = Assert.Throws<LinuxException>(() => new GuestServer("virbr0", plan, _test.Store, Path.Combine(_test.Store.Folder, "leases"), _ => { }));
        Assert.Contains("another program listens", failure.Message, StringComparison.Ordinal);
    });

    private static void Connect(string guest, string mac)
    {
        TestHost.Run($"ip link add {guest} address {mac} type veth peer name {guest}p");
        TestHost.Run($"ip link set {guest}p master virbr0 up");
        TestHost.Run($"ip link set {guest} up");
        TestHost.WaitUntil(() => TestHost.Run($"ip link show {guest}p").Contains("state UP", StringComparison.Ordinal));
    }

    private static string Lease(string guest)
    {
        HostProgramResult result = new HostProgram(HostProgram.Find("busybox")!, ["udhcpc", "-i", guest, "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", "/bin/true"]).Run();
        return (result.Output + result.Errors).Split('\n').First(line => line.Contains("lease of", StringComparison.Ordinal));
    }
}
