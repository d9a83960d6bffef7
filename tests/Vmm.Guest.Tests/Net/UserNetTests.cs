using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Vmm.Guest.Tests.Debian;
using Vmm.Machine.Config;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Net;

/// <summary>Debian's kernel on the network that needs no privilege; the host is a network namespace, so that names and ports are the test's own.</summary>
public class UserNetTests
{
    private const int Bytes = 2 << 20, HttpPort = 8080;

    // What a DHCP client calls with the lease in its environment.
    private const string DhcpScript = """
        [ "$1" = bound ] || exit 0
        ip addr add $ip/$mask dev $interface
        echo "$ip/$mask $router $dns $hostname $domain" >/tmp/lease.$interface
        """;

    [NetGuestFact]
    public void User_OpenRestrictedAndWithoutOffloads_CarryWhatTheyShould() => PrivateNetwork.Run(() =>
    {
        HostInterfaces.LoopbackUp();
        using ByteServer server = new(Bytes);
        using NameServer names = new();
        int[] ports = [FreePort(), FreePort()];
        string resolvers = Path.GetTempFileName();
        File.WriteAllText(resolvers, "nameserver 127.0.0.1\n");
        using DebianMachine guest = new(config => config with
        {
            Nets =
            [
                Net(0, new() { HostName = "debian-guest", Domain = "example.org", ResolverFile = resolvers, Forwards = [$"tcp:127.0.0.1:{ports[0]}-:{HttpPort}"] }),
                Net(1, new() { Network = "10.0.3.0/24", Ipv6 = false, Restrict = true, Forwards = [$"tcp:127.0.0.1:{ports[1]}-:{HttpPort}"] }),
                Net(2, new() { Network = "10.0.4.0/24", Ipv6 = false }) with { Offload = false },
            ],
        });
        guest.Greet();

        LeasesByDhcp(guest);
        NamesAndPings(guest, names);
        AddressOfIPv6ComesByItself(guest);
        server.Exchange(guest, "10.0.2.2");
        server.Exchange(guest, "10.0.4.2");
        OffloadsAsAsked(guest);
        NothingLeavesTheRestricted(guest, server);
        ForwardsLeadIn(guest, ports);
        File.Delete(resolvers);
    });

    private static void LeasesByDhcp(DebianMachine guest)
    {
        guest.Run($"printf '%s\\n' '#!/bin/sh' {string.Join(' ', DhcpScript.Split('\n').Select(line => $"'{line}'"))} >/tmp/dhcp; chmod +x /tmp/dhcp");
        guest.Run("for i in 0 1 2; do ip link set eth$i up; udhcpc -f -n -q -t 20 -i eth$i -s /tmp/dhcp; done");

        string[] leases = guest.Run("cat /tmp/lease.*").Split('\n');
        Assert.Equal("10.0.2.15/24 10.0.2.2 10.0.2.3 debian-guest example.org", leases[0]);
        Assert.Equal("10.0.4.15/24 10.0.4.2 10.0.4.3", leases[2].Trim());
        // Who is shut in is told of no way out.
        Assert.Equal("10.0.3.15/24", leases[1].Trim());
    }

    private static void NamesAndPings(DebianMachine guest, NameServer names)
    {
        Assert.Contains("Address: 192.0.2.33", guest.Run("nslookup -type=a host.example 10.0.2.3"), StringComparison.Ordinal);
        Assert.True(names.Questions > 0);
        Assert.Contains("3 packets received", guest.Run("ping -c 3 -i 0.2 10.0.2.2"), StringComparison.Ordinal);
        Assert.Contains("1 packets received", guest.Run("ping -c 1 -s 5000 10.0.2.2"), StringComparison.Ordinal);
    }

    private static void AddressOfIPv6ComesByItself(DebianMachine guest)
    {
        Assert.Contains("fd00::5054:ff:fe00:0", guest.Run("for i in $(seq 100); do ip -6 addr show dev eth0 | grep -q fd00:: && break; usleep 100000; done; ip -6 addr show dev eth0"), StringComparison.Ordinal);
        Assert.Contains("3 packets received", guest.Run("ping -6 -c 3 -i 0.2 fd00::2"), StringComparison.Ordinal);
        Assert.Contains("Address: 192.0.2.33", guest.Run("nslookup -type=a host.example fd00::3"), StringComparison.Ordinal);
    }

    // Features 0 (checksums of what the guest sends) and 11 (long TCP packets).
    private static void OffloadsAsAsked(DebianMachine guest)
        => Assert.Equal("11 11 00", guest.Run("for i in 0 1 2; do cut -c 1,12 /sys/class/net/eth$i/device/features; done | xargs"));

    private static void NothingLeavesTheRestricted(DebianMachine guest, ByteServer server)
    {
        int before = server.Connections;
        string tries = $"nc -w 2 10.0.3.2 {server.SourcePort} </dev/null || echo no-tcp; ping -c 1 -W 1 10.0.3.2 >/dev/null || echo no-ping; "
            + "ip route add 198.51.100.0/24 via 10.0.3.2; ping -c 1 -W 1 198.51.100.1 >/dev/null || echo no-way; timeout 2 nslookup -type=a host.example 10.0.3.3 >/dev/null || echo no-name";
        string[] said = guest.Run(tries).Split('\n');
        Assert.Superset(new HashSet<string> { "no-tcp", "no-way", "no-name" }, said.ToHashSet());
        Assert.Equal(before, server.Connections);
    }

    private static void ForwardsLeadIn(DebianMachine guest, int[] ports)
    {
        string hash = guest.Run($"mkdir /tmp/www; head -c 1048576 /dev/urandom >/tmp/www/file; httpd -p {HttpPort} -h /tmp/www; sha256sum </tmp/www/file").Split(' ')[0];
        foreach (int port in ports) Assert.Equal(hash, Convert.ToHexStringLower(SHA256.HashData(Fetch(port))));
    }

    // On this thread: others would connect in another network.
    private static byte[] Fetch(int port)
    {
        using TcpClient client = new("127.0.0.1", port) { ReceiveTimeout = (int)DebianMachine.CommandPatience.TotalMilliseconds };
        client.Client.Send("GET /file HTTP/1.0\r\n\r\n"u8);
        using MemoryStream answer = new();
        client.GetStream().CopyTo(answer);
        byte[] bytes = answer.ToArray();
        return bytes[(bytes.AsSpan().IndexOf("\r\n\r\n"u8) + 4)..];
    }

    private static NetConfig Net(int index, UserLinkConfig link) => new() { Id = $"net{index}", Link = link, Mac = $"52:54:00:00:00:0{index}" };

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
