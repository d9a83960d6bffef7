using System.Globalization;
using Vmm.Guest.Tests.Debian;
using Vmm.Host.Net;
using Vmm.Machine.Config;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Net;

/// <summary>Debian's kernel on TAP devices of a network namespace: one in a bridge with long packets and two queues, one that was passed open.</summary>
public class TapNetTests
{
    private const int Bytes = 2 << 20, Mtu = 9000, LongPing = 8900;

    [NetGuestFact]
    public void Tap_InABridgeAndPassed_CarryLongPacketsOnAllQueues() => PrivateNetwork.Run(() =>
    {
        HostInterfaces.LoopbackUp();
        HostInterfaces.MakeBridge("br0", "10.9.0.1", Mtu);
        using ByteServer server = new(Bytes);
        using TapQueue first = TapQueue.Open("net-t1", isMultiQueue: true), second = TapQueue.Open("net-t1", isMultiQueue: true);
        HostInterfaces.Address("net-t1", "10.9.1.1");
        using DebianMachine guest = new(config => config with
        {
            Vcpus = 2,
            Nets =
            [
                new() { Id = "net0", Link = new TapLinkConfig { InterfaceName = "net-t0", Bridge = "br0" }, Queues = 2, Mac = "52:54:00:00:00:01" },
                new() { Id = "net1", Link = new TapLinkConfig { Descriptors = [PrivateNetwork.Duplicate(first.Fd), PrivateNetwork.Duplicate(second.Fd)] }, Queues = 2, Mac = "52:54:00:00:00:02" },
            ],
        });
        guest.Greet();
        guest.Run("for i in 0 1; do ip link set eth$i up; ip addr add 10.9.$i.2/24 dev eth$i; done");

        LongPacketsInOnePiece(guest);
        foreach (string cpu in new[] { "taskset 1", "taskset 2" })
        {
            server.Exchange(guest, "10.9.0.1", cpu);
            server.Exchange(guest, "10.9.1.1", cpu);
        }

        AllQueuesInterrupt(guest);
        CarrierFollowsTheLink(guest);
        server.Exchange(guest, "10.9.0.1");
    });

    private static void LongPacketsInOnePiece(DebianMachine guest)
    {
        Assert.Equal($"{Mtu}\n1500", guest.Run("cat /sys/class/net/eth0/mtu /sys/class/net/eth1/mtu"));
        Assert.Contains("1 packets received", guest.Run("ping -c 1 10.9.0.1"), StringComparison.Ordinal);
        int before = SentPackets(guest);
        Assert.Contains("5 packets received", guest.Run($"ping -c 5 -i 0.1 -s {LongPing} 10.9.0.1"), StringComparison.Ordinal);
        // In fragments they would be six times as many; a few others go out by themselves.
        Assert.InRange(SentPackets(guest) - before, 5, 12);
    }

    private static void AllQueuesInterrupt(DebianMachine guest)
    {
        string[] lines = guest.Run("grep -E 'virtio[01]-(input|output)' /proc/interrupts").Split('\n');
        Assert.Equal(8, lines.Length);
        // "25:  12  0  PCI-MSI 114688-edge  virtio0-input.0"
        Assert.All(lines, line => Assert.NotEqual(0, line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(2).Sum(n => int.Parse(n, CultureInfo.InvariantCulture))));
    }

    private static void CarrierFollowsTheLink(DebianMachine guest)
    {
        guest.Machine.SetNetLink("net0", up: false);
        guest.WaitFor("[ $(cat /sys/class/net/eth0/carrier) = 0 ]");
        Assert.Contains("0 packets received", guest.Run("ping -c 1 -W 1 10.9.0.1"), StringComparison.Ordinal);
        Assert.Equal("1", guest.Run("cat /sys/class/net/eth1/carrier"));
        guest.Machine.SetNetLink("net0", up: true);
        guest.WaitFor("[ $(cat /sys/class/net/eth0/carrier) = 1 ]");
        Assert.Contains("1 packets received", guest.Run("ping -c 1 -W 5 10.9.0.1"), StringComparison.Ordinal);
    }

    private static int SentPackets(DebianMachine guest) => int.Parse(guest.Run("cat /sys/class/net/eth0/statistics/tx_packets"), CultureInfo.InvariantCulture);
}
