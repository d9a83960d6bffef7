using Vmm.Guest.Tests.Debian;
using Vmm.Machine.Config;

namespace Vmm.Guest.Tests.Net;

/// <summary>Two guests on one Unix socket.</summary>
public class StreamNetTests
{
    private const int Bytes = 2 << 20;

    [GuestFilesFact]
    public void Stream_BetweenTwoGuests_CarriesBothWaysAndEndsWithTheOther()
    {
        string path = Path.Combine(Path.GetTempPath(), $"vmm-stream-{Guid.NewGuid():N}");
        using DebianMachine client = Start(path, isServer: false, 2);
        using (DebianMachine server = Start(path, isServer: true, 1))
        {
            foreach ((DebianMachine guest, int number) in new[] { (server, 1), (client, 2) })
            {
                guest.Greet();
                guest.Run($"ip link set eth0 up; ip addr add 10.8.0.{number}/24 dev eth0");
            }

            client.WaitFor("[ $(cat /sys/class/net/eth0/carrier) = 1 ]");
            Assert.Contains("3 packets received", client.Run("ping -c 3 -i 0.2 10.8.0.1"), StringComparison.Ordinal);
            Assert.Contains("1 packets received", server.Run("ping -c 1 -s 20000 10.8.0.2"), StringComparison.Ordinal);
            Fetch(client, server, "10.8.0.1");
            Fetch(server, client, "10.8.0.2");
        }

        client.WaitFor("[ $(cat /sys/class/net/eth0/carrier) = 0 ]");
    }

    private static void Fetch(DebianMachine to, DebianMachine from, string address)
    {
        string hash = from.Run($"mkdir -p /tmp/www; head -c {Bytes} /dev/urandom >/tmp/www/file; httpd -p 80 -h /tmp/www; sha256sum </tmp/www/file");
        Assert.Equal(hash, to.Run($"wget -q -O - http://{address}/file | sha256sum"));
    }

    private static DebianMachine Start(string path, bool isServer, int number) => new(config => config with
    {
        Nets = [new() { Id = "net0", Link = new StreamLinkConfig { Path = path, IsServer = isServer }, Mac = $"52:54:00:00:00:0{number}" }],
    });
}
