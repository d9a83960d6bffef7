using System.Net.Sockets;
using System.Security.Cryptography;
using Vmm.Devices.Virtio.Balloon;
using Vmm.Guest.Tests.Net;
using Vmm.Machine.Config;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>Debian's drivers with devices on the MMIO transport, which ACPI names; and a balloon that helps a guest out of memory.</summary>
public class MmioTests
{
    private const int Bytes = 1 << 20, TalkPort = 52;
    private const ulong Mebibyte = 1 << 20, MemoryBytes = 512 * Mebibyte, BalloonBytes = 300 * Mebibyte, PmemBytes = 16 * Mebibyte;
    private static readonly TimeSpan StatisticsPatience = TimeSpan.FromSeconds(120);

    [ShareGuestFact]
    public void NetVsockPmemBalloon_OnMmio_AllServe()
    {
        string room = Directory.CreateTempSubdirectory("vmm-mmio").FullName, vsock = Path.Combine(room, "v"), pmem = Path.Combine(room, "pmem");
        using ByteServer server = new(Bytes);
        using ProgramServer talk = new(Repository.Guest("share/talk"));
        using DebianMachine guest = new(config => config with
        {
            MemoryBytes = MemoryBytes,
            Nets = [new() { Id = "net", Link = new UserLinkConfig(), Transport = VirtioTransportKind.Mmio }],
            Vsocks = [new() { Id = "vsock", Cid = 7, Path = vsock, Transport = VirtioTransportKind.Mmio }],
            Pmems = [new() { Id = "pmem", Path = pmem, SizeBytes = PmemBytes, Transport = VirtioTransportKind.Mmio }],
            Balloons = [new() { Id = "balloon", StatisticsSeconds = 1, DeflateOnOom = true, Transport = VirtioTransportKind.Mmio }],
        });
        guest.Greet();
        guest.Run("modprobe virtio_mmio; modprobe -a $(cat /sys/bus/virtio/devices/*/modalias); modprobe nd_pmem");
        Assert.Equal("4 0", guest.Run("echo $(ls /sys/bus/platform/drivers/virtio-mmio | grep -c LNRO0005) $(ls /sys/bus/pci/devices/*/virtio* -d 2>/dev/null | wc -l)"));

        guest.Run("ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0");
        server.Exchange(guest, "10.0.2.2");
        StreamsComeBack(guest, vsock, talk);
        MemoryPersists(guest, pmem);
        BalloonHelpsOut(guest);

        guest.Console.SendLine("poweroff -f");
        guest.WaitForEnd();
        Directory.Delete(room, recursive: true);
    }

    private static void StreamsComeBack(DebianMachine guest, string path, ProgramServer talk)
    {
        byte[] data = RandomNumberGenerator.GetBytes(Bytes), back = new byte[Bytes];
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint($"{path}_{TalkPort}"));
        listener.Listen();
        guest.Run($"nc 10.0.2.2 {talk.Port} </dev/null >/tmp/talk; chmod +x /tmp/talk; /tmp/talk {TalkPort} & true");
        using Socket peer = listener.Accept();
        peer.ReceiveTimeout = (int)DebianMachine.CommandPatience.TotalMilliseconds;
        Thread sender = new(() => peer.Send(data));
        sender.Start();
        for (int got = 0, part; got < Bytes && (part = peer.Receive(back.AsSpan(got))) != 0;) got += part;
        sender.Join();
        Assert.Equal(data, back);
    }

    private static void MemoryPersists(DebianMachine guest, string path)
    {
        string hash = guest.Run($"head -c {Bytes} /dev/urandom | tee /dev/pmem0 | sha256sum; sync").Split(' ')[0];
        Assert.Equal(hash, Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path).AsSpan(0, Bytes))));
        Assert.Equal((long)PmemBytes, new FileInfo(path).Length);
    }

    // The guest is left with less than it needs, and takes some back instead of killing anybody.
    private static void BalloonHelpsOut(DebianMachine guest)
    {
        guest.Machine.SetBalloonTarget(BalloonBytes);
        // A guest that can have it back at any time counts what is in the balloon to its memory, but not as free.
        Wait(guest, s => s.ActualBytes == BalloonBytes && s.Guest is { TotalBytes: > MemoryBytes - BalloonBytes, FreeBytes: > 0 and < MemoryBytes - BalloonBytes });

        guest.Run("mkdir /tmp/fill; mount -t tmpfs -o size=90% none /tmp/fill; dd if=/dev/urandom of=/tmp/fill/a bs=1M count=4; dd if=/dev/zero of=/tmp/fill/b bs=1M count=250");
        Assert.Equal("262144000", guest.Run("stat -c %s /tmp/fill/b"));
        Wait(guest, s => s.ActualBytes < BalloonBytes && s.DeflatedBytes > 0);
        Assert.Equal("0", guest.Run("dmesg | grep -c 'Out of memory'"));
    }

    private static void Wait(DebianMachine guest, Func<VirtioBalloonStatistics, bool> isSo)
        => Assert.True(SpinWait.SpinUntil(() => guest.Machine.BalloonStatistics is { } s && isSo(s), StatisticsPatience), $"it stays at {guest.Machine.BalloonStatistics}");
}
