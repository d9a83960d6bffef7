using System.Globalization;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>Linux's balloon driver gives the host its memory back, and gets it again.</summary>
public class BalloonTests
{
    private const int MemoryMegabytes = 512, BalloonMegabytes = 200, FillMegabytes = 250;
    private static readonly TimeSpan BootPatience = TimeSpan.FromSeconds(240);
    private static readonly TimeSpan CommandPatience = TimeSpan.FromSeconds(180);
    private static readonly TimeSpan ReclaimPatience = TimeSpan.FromSeconds(120);

    [GuestFilesFact]
    public void Balloon_InflatedAndDeflated_MovesMemoryBetweenGuestAndHost()
    {
        using GuestConsole guest = Start($"target={BalloonMegabytes}M");
        guest.RunCommand("rmmod virtio_balloon", CommandPatience);
        int total = TotalMegabytes(guest);
        Fill(guest, FillMegabytes);
        int full = ResidentMegabytes(guest);
        Assert.True(full > FillMegabytes, $"only {full} MiB are in use");

        guest.RunCommand("modprobe virtio_balloon", CommandPatience);
        Assert.True(SpinWait.SpinUntil(() => TotalMegabytes(guest) == total - BalloonMegabytes, ReclaimPatience), "the balloon was not inflated");
        // Most of what is free was used before.
        int left = ResidentMegabytes(guest);
        Assert.True(left < full - BalloonMegabytes / 2, $"{left} of {full} MiB are still in use");
        Fill(guest, 50);
        guest.RunCommand("rmmod virtio_balloon", CommandPatience);
        Assert.Equal(total, TotalMegabytes(guest));
        Fill(guest, FillMegabytes);
        guest.SendLine("poweroff -f");
        Assert.Equal(0, guest.WaitForExit(CommandPatience));
    }

    [GuestFilesFact]
    public void Reporting_FreedMemory_GoesBackToTheHostByItself()
    {
        using GuestConsole guest = Start("reporting=on");
        Fill(guest, FillMegabytes);

        bool isBack = SpinWait.SpinUntil(() => ResidentMegabytes(guest) < FillMegabytes / 2, ReclaimPatience);
        Assert.True(isBack, $"{ResidentMegabytes(guest)} MiB are still in use");
        Fill(guest, FillMegabytes);
        guest.SendLine("poweroff -f");
        Assert.Equal(0, guest.WaitForExit(CommandPatience));
    }

    private static GuestConsole Start(string balloon)
    {
        GuestConsole guest = new(Repository.Vmm, "run", "--accel", "software", "--kernel", Repository.Guest("vmlinux"), "--initrd", Repository.Guest("initrd.img"),
            "--memory", $"{MemoryMegabytes}M", "--append", "console=ttyS0 quiet", "--balloon", balloon);
        guest.Expect("This is a busybox shell", BootPatience);
        guest.Expect("guest:", BootPatience);
        return guest;
    }

    // Uses memory, looks whether it holds what was written, and frees it.
    private static void Fill(GuestConsole guest, int megabytes)
    {
        string command = $"mkdir -p /fill; mount -t tmpfs -o size=90% none /fill; dd if=/dev/urandom of=/fill/a bs=1M count=4; md5sum </fill/a; "
            + $"dd if=/dev/zero of=/fill/b bs=1M count={megabytes}; md5sum </fill/a; umount /fill";
        string[] sums = [.. guest.RunCommand(command, CommandPatience).Split('\n').Where(line => line.EndsWith("  -", StringComparison.Ordinal))];
        Assert.Equal(2, sums.Length);
        Assert.Equal(sums[0], sums[1]);
    }

    private static int TotalMegabytes(GuestConsole guest)
        => int.Parse(guest.RunCommand("awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo", CommandPatience), CultureInfo.InvariantCulture);

    // Guest memory is the only shared memory that the process has.
    private static int ResidentMegabytes(GuestConsole guest)
    {
        string line = File.ReadLines($"/proc/{guest.Process.Id}/status").Single(l => l.StartsWith("RssShmem:", StringComparison.Ordinal));
        return int.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) >> 10;
    }
}
