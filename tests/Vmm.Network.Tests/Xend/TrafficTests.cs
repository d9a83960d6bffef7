using Vmm.Host;
using Vmm.Network.Tap;
using Vmm.Network.Tests.User;
using Vmm.Network.Xend;
using Vmm.TestKit;

namespace Vmm.Network.Tests.Xend;

/// <summary>Linux's own network stack as two guests, the host and somebody outside, each in a namespace; <c>tests/proofs/xend-networks.sh</c> does it with domains.</summary>
public sealed class TrafficTests : IDisposable
{
    private const string FirstMac = "00:16:3e:00:00:01", SecondMac = "00:16:3e:00:00:02";
    private const int Mebibytes = 8;

    private readonly TestStore _test = new();
    private readonly EpollLoop _loop = new("traffic test", _ => { });
    private readonly string _outside = $"xend-out-{Environment.ProcessId}";
    private readonly string _data = Directory.CreateTempSubdirectory("vmm-traffic-").FullName;

    public void Dispose()
    {
        _loop.Dispose();
        _test.Dispose();
        Directory.Delete(_data, recursive: true);
    }

    [PrivateNetworkTheory]
    [InlineData(NetworkKind.Bridge)]
    [InlineData(NetworkKind.Route)]
    [InlineData(NetworkKind.Nat)]
    public void Guests_OnANetwork_ReachEachOtherTheHostAndOutside(NetworkKind kind) => PrivateNetwork.Run(() =>
    {
        try
        {
            MakeHost();
            _test.Networks.Start(new NetworkPlan { Kind = kind, HasServer = false });
            (string first, string second, int prefix, string gateway) = kind == NetworkKind.Nat ? ("192.168.122.11", "192.168.122.12", 24, "192.168.122.1") : ("10.1.0.11", "10.1.0.12", 24, "10.1.0.1");
            using Vif firstVif = Attach(1, FirstMac, first, kind), secondVif = Attach(2, SecondMac, second, kind);
            using TapBackend firstTap = new(_loop, firstVif.Queues, firstVif.Mtu, _ => { }), secondTap = new(_loop, secondVif.Queues, secondVif.Mtu, _ => { });
            using LinuxGuest a = Guest(firstTap, FirstMac, $"{first}/{prefix}", gateway), b = Guest(secondTap, SecondMac, $"{second}/{prefix}", gateway);
            string host = kind == NetworkKind.Nat ? gateway : "10.1.0.2";
            string serve = $"busybox httpd -p 8080 -h {_data}";
            a.Exec(serve);
            b.Exec(serve);
            TestHost.Run(serve);
            TestHost.Run($"ip netns exec {_outside} {serve}");
            foreach (string to in (ReadOnlySpan<string>)[host, second, "10.1.0.1"]) Exchange(command => a.Exec(command), to);
            foreach (string to in (ReadOnlySpan<string>)[host, first, "10.1.0.1"]) Exchange(command => b.Exec(command), to);
            Exchange(Shell, first);
            // Behind the host's address nobody is seen from outside.
            if (kind == NetworkKind.Nat) Assert.Throws<InvalidOperationException>(() => Outside($"ip route replace {first}/32 via 10.1.0.2 && ping -c 1 -W 1 {first}"));
            else Exchange(Outside, second);
            // Nobody takes another's address.
            b.Exec("ip addr add 10.1.0.50/32 dev eth0");
            Assert.Contains("100% packet loss", b.TryExec($"ping -c 2 -i 0.2 -W 1 -I 10.1.0.50 {host}").Output, StringComparison.Ordinal);
        }
        finally
        {
            foreach (string pid in Pids()) new HostProgram("/bin/kill", [pid]).Run();
            new HostProgram(HostProgram.Find("ip")!, ["netns", "del", _outside]).Run();
        }
    });

    private static void Exchange(Func<string, string> shell, string to)
    {
        shell($"ping -c 1 -W 10 {to}");
        string sums = shell($"busybox wget -q -O - http://{to}:8080/sum; busybox wget -q -O - http://{to}:8080/data | md5sum");
        string[] lines = sums.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(lines[0], lines[1]);
    }

    private static string Shell(string command) => Run("bash", ["-c", command]);

    private static string Run(string program, IReadOnlyList<string> arguments)
    {
        HostProgramResult result = new HostProgram(HostProgram.Find(program)!, arguments) { Patience = TimeSpan.FromSeconds(60) }.Run();
        return result.IsGood ? result.Output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {result.Output}{result.Errors}");
    }

    private string Outside(string command) => Run("ip", ["netns", "exec", _outside, "bash", "-c", command]);

    private void MakeHost()
    {
        Shell($"head -c {Mebibytes}M /dev/urandom >{_data}/data; md5sum <{_data}/data >{_data}/sum");
        TestHost.Run($"ip netns add {_outside}");
        foreach (string command in (ReadOnlySpan<string>)
        [
            $"ip link add eth0 type veth peer name wire0 netns {_outside}", "ip link set lo up", "ip addr add 10.1.0.2/24 dev eth0", "ip link set eth0 up",
            $"ip -n {_outside} link set lo up", $"ip -n {_outside} addr add 10.1.0.1/24 dev wire0", $"ip -n {_outside} link set wire0 up", "ip route add default via 10.1.0.1",
        ]) TestHost.Run(command);
        TestHost.WaitUntil(() => TestHost.Run("ip link show eth0").Contains("state UP", StringComparison.Ordinal));
    }

    private Vif Attach(int domain, string mac, string address, NetworkKind kind)
        => Vif.Attach(new VifSpec { DomainId = domain, DeviceId = 0, Mac = mac, Addresses = [address], Script = kind == NetworkKind.Route ? "vif-route" : null }, _test.Store, "/nonexistent", _ => { });

    private static LinuxGuest Guest(TapBackend tap, string mac, string address, string gateway)
    {
        LinuxGuest guest = new(tap, offloads: true);
        guest.Exec($"ip link set eth0 down && ip link set eth0 address {mac} up");
        guest.Configure(address, gateway);
        return guest;
    }

    // Servers that stand in the background, by the folder that they serve.
    private string[] Pids()
        => new HostProgram(HostProgram.Find("pgrep")!, ["-f", $"httpd -p 8080 -h {_data}"]).Run().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
