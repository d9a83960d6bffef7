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
        Assert.DoesNotContain("AE_", debian.Run("dmesg | grep ACPI"), StringComparison.Ordinal);
        debian.Console.SendLine("poweroff -f");
        Assert.Equal(MachineEnd.PowerOff, debian.WaitForEnd().End);
        Assert.Equal(["+data", "-data", "+data", "-data"], events);
    }

    [GuestFilesFact]
    public void Reset_AddedDiskStaysAndThePendingRemovalIsDone()
    {
        using DebianMachine debian = new(config => config with { Rngs = [new() { Id = "rng" }] });
        List<string> removed = [];
        debian.Machine.DeviceRemoved += removed.Add;
        (DiskConfig disk, string sum) = NewDisk(debian, "data");
        // Before the kernel has begun to look, or while it does: it must be found in any case.
        debian.Machine.AddDevice(disk);
        // The guest has no time to answer: nothing of ACPI runs yet.
        debian.Machine.RemoveDevice("rng");
        debian.Greet();
        debian.WaitFor("modprobe virtio_blk; [ -b /dev/vda ]");
        debian.Console.SendLine("reboot -f");
        debian.Greet();
        Assert.Equal("rng", Assert.Single(removed));
        Assert.StartsWith(sum, debian.Run("sha256sum /dev/vda"), StringComparison.Ordinal);
        Assert.Equal((2, "data"), (Assert.Single(debian.Machine.Devices).Slot, debian.Machine.Devices[0].Config.Id));
    }

    private static (DiskConfig Disk, string Sum) NewDisk(DebianMachine debian, string id)
    {
        byte[] content = RandomNumberGenerator.GetBytes(DiskBytes);
        string path = Path.Combine(debian.Room, $"{id}.img");
        File.WriteAllBytes(path, content);
        return (new DiskConfig { Id = id, Path = path, Format = "raw" }, Convert.ToHexStringLower(SHA256.HashData(content)));
    }
}
