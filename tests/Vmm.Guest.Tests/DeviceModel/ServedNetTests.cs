using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Vmm.Guest.Tests.Debian;
using Vmm.Guest.Tests.Net;
using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.DeviceModel;

/// <summary>
/// Debian's kernel with network devices that a process of their own serves, confined to what they need: a TAP device with two queues, and user NAT
/// that is added while the guest runs. The process is killed in the middle of a transfer, which goes on.
/// </summary>
public class ServedNetTests
{
    private const int Bytes = 1 << 20, LongBytes = 4 << 20;
    private const string TapAddress = "10.9.0.1", UserAddress = "10.0.2.2";

    private const string DhcpScript = """printf '%s\n' '#!/bin/sh' '[ "$1" = bound ] || exit 0' 'ip addr replace $ip/$mask dev $interface' 'echo "$ip/$mask $router" >/tmp/lease' >/tmp/dhcp; chmod +x /tmp/dhcp""";

    [NetGuestFact]
    public void Net_ServedByAProcessThatIsKilled_GoesOn() => PrivateNetwork.Run(() =>
    {
        HostInterfaces.LoopbackUp();
        using ByteServer server = new(Bytes);
        using DebianMachine guest = new(config => config with
        {
            Vcpus = 2,
            Nets = [new() { Id = "net0", Link = new TapLinkConfig { InterfaceName = "sandbox-t0" }, Queues = 2, Process = true, Mac = "52:54:00:00:00:01" }],
        });
        HostInterfaces.Address("sandbox-t0", TapAddress);
        guest.Greet();
        guest.Run("ip link set eth0 up; ip addr add 10.9.0.2/24 dev eth0");
        AssertConfined(Model(guest), "CapEff:\t0000000000000000");
        foreach (string cpu in new[] { "taskset 1", "taskset 2" }) server.Exchange(guest, TapAddress, cpu);

        // Connections to other hosts are nothing that the process could make: another takes its place, and the guest goes on.
        int before = Model(guest).Starts;
        guest.Machine.AddDevice(new NetConfig { Id = "net1", Link = new UserLinkConfig(), Process = true, Mac = "52:54:00:00:00:02" });
        guest.WaitFor("[ -e /sys/class/net/eth1 ]");
        Assert.Equal(before + 1, Model(guest).Starts);
        AssertConfined(Model(guest));
        Lease(guest);
        server.Exchange(guest, UserAddress);
        OffloadsAndQueues(guest);

        KillDuringTransfer(guest);
        Assert.Contains("3 packets received", guest.Run($"ping -c 3 -i 0.2 {TapAddress}"), StringComparison.Ordinal);
        Assert.Contains("3 packets received", guest.Run($"ping -c 3 -i 0.2 {UserAddress}"), StringComparison.Ordinal);
        server.Exchange(guest, TapAddress);
        server.Exchange(guest, UserAddress);
        Lease(guest);
        AssertConfined(Model(guest));
    });

    private static DeviceModelInfo Model(DebianMachine guest)
    {
        Assert.True(SpinWait.SpinUntil(() => guest.Machine.DeviceModel is not null, TimeSpan.FromSeconds(30)), "there is no device model");
        return guest.Machine.DeviceModel!;
    }

    private static void Lease(DebianMachine guest)
    {
        guest.Run(DhcpScript);
        guest.Run("rm -f /tmp/lease; ip link set eth1 up; udhcpc -f -n -q -t 20 -i eth1 -s /tmp/dhcp");
        Assert.Equal("10.0.2.15/24 10.0.2.2", guest.Run("cat /tmp/lease"));
    }

    // Features 0 (checksums of what the guest sends) and 11 (long TCP packets); both pairs of queues have interrupted.
    private static void OffloadsAndQueues(DebianMachine guest)
    {
        Assert.Equal("11 11", guest.Run("for i in 0 1; do cut -c 1,12 /sys/class/net/eth$i/device/features; done | xargs"));
        string[] lines = guest.Run("grep -E 'virtio0-(input|output)' /proc/interrupts").Split('\n');
        Assert.Equal(4, lines.Length);
        Assert.All(lines, line => Assert.NotEqual(0, line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(2).Sum(n => int.Parse(n, CultureInfo.InvariantCulture))));
    }

    private static void KillDuringTransfer(DebianMachine guest)
    {
        byte[] data = RandomNumberGenerator.GetBytes(LongBytes);
        using TcpListener listener = new(IPAddress.Parse(TapAddress), 0);
        listener.Start();
        using ManualResetEventSlim isKilled = new();
        using CountdownEvent isHalf = new(1);
        Thread sending = new(() =>
        {
            try
            {
                using Socket client = listener.AcceptSocket();
                client.Send(data.AsSpan(0, LongBytes / 2));
                isHalf.Signal();
                isKilled.Wait();
                client.Send(data.AsSpan(LongBytes / 2));
                client.Shutdown(SocketShutdown.Send);
                client.Receive(new byte[1]);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test has failed elsewhere, and says so there.
            }
        })
        { IsBackground = true };
        sending.Start();
        guest.Run($"nc {TapAddress} {((IPEndPoint)listener.LocalEndpoint).Port} </dev/null >/tmp/long & true");
        Assert.True(isHalf.Wait(DebianMachine.CommandPatience), "the guest does not take the data");
        DeviceModelInfo before = Model(guest);
        using (Process model = Process.GetProcessById(before.ProcessId)) model.Kill();
        Assert.True(SpinWait.SpinUntil(() => guest.Machine.DeviceModel is { } now && now.Starts > before.Starts, TimeSpan.FromSeconds(30)), "no other device model is started");
        isKilled.Set();
        Assert.Equal($"{Convert.ToHexStringLower(SHA256.HashData(data))}  -", guest.Run("wait; sha256sum </tmp/long; rm /tmp/long").Split('\n')[^1]);
    }

    private static void AssertConfined(DeviceModelInfo model, string more = "NoNewPrivs:\t1")
    {
        foreach (string thread in Directory.GetDirectories($"/proc/{model.ProcessId}/task"))
        {
            string status;
            try
            {
                status = File.ReadAllText($"{thread}/status");
            }
            catch (IOException)
            {
                // It has ended.
                continue;
            }

            foreach (string line in new[] { "NoNewPrivs:\t1", "Seccomp:\t2", more }) Assert.Contains(line, status, StringComparison.Ordinal);
        }
    }
}
