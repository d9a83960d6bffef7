using System.Collections.Concurrent;
using System.Security.Cryptography;
using Vmm.Machine;
using Vmm.Machine.Config;

namespace Vmm.Guest.Tests.Debian;

/// <summary>Disks that come and go while Debian's kernel runs, found by its ACPI hot-plug driver.</summary>
public class HotPlugTests
{
    private const int DiskBytes = 4 << 20;

    [GuestFilesFact]
    public void Disk_AddedReadRemovedAndAddedAgain_GuestFollowsWithoutARescan()
    {
        using DebianMachine debian = new(config => config with { Rngs = [new() { Id = "rng" }] });
        ConcurrentQueue<string> events = [];
        debian.Machine.DeviceAdded += id => events.Enqueue($"+{id}");
        debian.Machine.DeviceRemoved += id => events.Enqueue($"-{id}");
        (DiskConfig disk, string sum) = NewDisk(debian, "data");
        debian.Greet();
        Assert.Equal("none", debian.Run("modprobe virtio_blk; ls /dev/vda 2>/dev/null || echo none"));

        debian.Machine.AddDevice(disk);
        debian.WaitFor("[ -b /dev/vda ]");
        Assert.Equal($"{DiskBytes / 512}", debian.Run("cat /sys/block/vda/size"));
        Assert.StartsWith(sum, debian.Run("sha256sum /dev/vda"), StringComparison.Ordinal);
        Assert.Contains("0000:00:02", debian.Run("grep -l . /sys/bus/pci/slots/2/address && cat /sys/bus/pci/slots/2/address"), StringComparison.Ordinal);
        Assert.Throws<DeviceException>(() => debian.Machine.AddDevice(disk));

        debian.Machine.RemoveDevice("data");
        debian.WaitFor("[ ! -e /dev/vda ] && [ ! -e /sys/bus/pci/devices/0000:00:02.0 ]");
        Assert.True(SpinWait.SpinUntil(() => events.Contains("-data"), DebianMachine.CommandPatience), "the image is not given back");
        Assert.Equal(["rng"], debian.Machine.Devices.Select(d => d.Config.Id));

        // The slot, the id and the image can be used again, and a write arrives. The kernel may still hold the old name.
        debian.Machine.AddDevice(disk);
        debian.WaitFor("ls /dev/vd? >/dev/null 2>&1");
        debian.Run("echo written-by-the-guest | dd of=$(ls /dev/vd?) conv=sync,fsync 2>/dev/null");
        debian.Machine.RemoveDevice("data");
        Assert.True(SpinWait.SpinUntil(() => events.Count == 4, DebianMachine.CommandPatience), string.Join(' ', events));
        Assert.Equal("written-by-the-guest"u8, File.ReadAllBytes(disk.Path).AsSpan(0, 20));
        Assert.Equal(["+data", "-data", "+data", "-data"], events);
        foreach ((string kind, string words, int virtioId) in Kinds(debian.Room)) AddAndRemove(debian, kind, words, virtioId);
        Assert.DoesNotContain("AE_", debian.Run("dmesg | grep ACPI"), StringComparison.Ordinal);
        debian.Console.SendLine("poweroff -f");
        Assert.Equal(MachineEnd.PowerOff, debian.WaitForEnd().End);
    }

    [GuestFilesFact]
    public void Reset_AddedDiskStaysAndThePendingRemovalIsDone()
    {
        // Without messages, so that the disk interrupts by a wire that _PRT names.
        using DebianMachine debian = new(config => config with { Rngs = [new() { Id = "rng" }], Boot = config.Boot with { CommandLine = config.Boot.CommandLine + " pci=nomsi" } });
        List<string> removed = [];
        debian.Machine.DeviceRemoved += removed.Add;
        (DiskConfig disk, string sum) = NewDisk(debian, "data");
        // Before the kernel has begun to look, or while it does: it must be found in any case.
        debian.Machine.AddDevice(disk);
        // The guest has no time to answer: nothing of ACPI runs yet.
        debian.Machine.RemoveDevice("rng");
        debian.Greet();
        debian.WaitFor("modprobe virtio_blk; [ -b /dev/vda ]");
        Assert.StartsWith(sum, debian.Run("sha256sum /dev/vda"), StringComparison.Ordinal);
        Assert.Matches("IO-APIC +[0-9]+-fasteoi +virtio", debian.Run("grep virtio /proc/interrupts"));
        debian.Console.SendLine("reboot -f");
        debian.Greet();
        Assert.Equal("rng", Assert.Single(removed));
        Assert.StartsWith(sum, debian.Run("sha256sum /dev/vda"), StringComparison.Ordinal);
        Assert.Equal((2, "data"), (Assert.Single(debian.Machine.Devices).Slot, debian.Machine.Devices[0].Config.Id));
    }

    [GuestFilesTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Device_TakenByForceWhileItIsUsed_FailsAndTheKernelLetsItGo(bool isServed)
    {
        using DebianMachine debian = new(config => config with
        {
            Nets = [new() { Id = "net", Link = new UserLinkConfig() }],
            DeviceModel = isServed,
        });
        (DiskConfig disk, _) = NewDisk(debian, "data");
        debian.Greet();
        debian.Run("modprobe -a virtio_blk virtio_net");
        debian.Machine.AddDevice(disk);
        debian.WaitFor("[ -b /dev/vda ] && [ -e /sys/class/net/eth0 ]");
        debian.Run("ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ping 10.0.2.2 >/dev/null 2>&1 & true");
        debian.Run("(while dd if=/dev/vda of=/dev/null bs=64k iflag=direct; do :; done; echo over >/tmp/read) 2>/dev/null & true");
        debian.Run("(while dd if=/dev/zero of=/dev/vda bs=64k conv=fsync; do :; done; echo over >/tmp/written) 2>/dev/null & true");
        debian.Run("sleep 1");

        debian.Machine.RemoveDevice("data", isForced: true);
        debian.Machine.RemoveDevice("net", isForced: true);

        Assert.Empty(debian.Machine.Devices);
        // The host has its image back at once.
        File.Delete(disk.Path);
        (disk, _) = NewDisk(debian, "data");
        debian.WaitFor("[ -e /tmp/read ] && [ -e /tmp/written ] && [ ! -e /sys/block/vda ] && [ ! -e /sys/class/net/eth0 ]");
        debian.Machine.AddDevice(disk);
        debian.WaitFor("ls /dev/vd? >/dev/null 2>&1");
        debian.Run("echo written-by-the-guest | dd of=$(ls /dev/vd?) conv=sync,fsync 2>/dev/null");
        Assert.Equal("written-by-the-guest"u8, File.ReadAllBytes(disk.Path).AsSpan(0, 20));
        debian.Console.SendLine("poweroff -f");
        Assert.Equal(MachineEnd.PowerOff, debian.WaitForEnd().End);
    }

    private static IEnumerable<(string Kind, string Words, int VirtioId)> Kinds(string room) =>
    [
        ("net", "user", 1), ("console", "null", 3), ("rng", "", 4), ("balloon", "", 5), ("share", $"tag=t,path={room}", 9), ("vsock", $"cid=5,path={room}/v", 19),
    ];

    private static void AddAndRemove(DebianMachine debian, string kind, string words, int virtioId)
    {
        List<ConfigError> errors = [];
        DeviceConfig config = DeviceKinds.Parse(kind, 9, words, errors)!;
        Assert.Empty(errors);
        debian.Machine.AddDevice(config);
        string place = $"/sys/bus/pci/devices/0000:00:{debian.Machine.Devices.Single(d => d.Config.Id == config.Id).Slot:x2}.0";
        debian.WaitFor($"[ \"$(cat {place}/device 2>/dev/null)\" = 0x{0x1040 + virtioId:x} ]");
        debian.Machine.RemoveDevice(config.Id);
        debian.WaitFor($"[ ! -e {place} ]");
        Assert.True(SpinWait.SpinUntil(() => debian.Machine.Devices.All(d => d.Config.Id != config.Id), DebianMachine.CommandPatience), $"{kind} is not given back");
    }

    private static (DiskConfig Disk, string Sum) NewDisk(DebianMachine debian, string id)
    {
        byte[] content = RandomNumberGenerator.GetBytes(DiskBytes);
        string path = Path.Combine(debian.Room, $"{id}.img");
        File.WriteAllBytes(path, content);
        return (new DiskConfig { Id = id, Path = path, Format = "raw" }, Convert.ToHexStringLower(SHA256.HashData(content)));
    }
}
