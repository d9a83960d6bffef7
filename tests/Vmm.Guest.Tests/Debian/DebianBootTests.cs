using System.Globalization;
using System.Text.RegularExpressions;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>Debian's own kernel on the software CPU, from power-on to power-off.</summary>
public partial class DebianBootTests
{
    private static readonly TimeSpan BootPatience = TimeSpan.FromSeconds(240);
    private static readonly TimeSpan CommandPatience = TimeSpan.FromSeconds(180);

    [GuestFilesTheory]
    [InlineData("vmlinuz", "auto", 1)]
    [InlineData("vmlinux", "linux64", 2)]
    [InlineData("vmlinux", "pvh", 1)]
    [InlineData("vmlinux", "pvh", 2)]
    public void Boot_Kernel_GivesAShellThatWorksAndPowersOff(string kernel, string protocol, int vcpus)
    {
        using GuestConsole guest = Start(kernel, "--protocol", protocol, "--vcpus", $"{vcpus}");

        Assert.Equal(vcpus.ToString(CultureInfo.InvariantCulture), guest.RunCommand("nproc", CommandPatience));
        Assert.Equal("x86_64", guest.RunCommand("uname -m", CommandPatience));
        Assert.Equal("1\n2\n3", guest.RunCommand("for i in 3 1 2; do echo $i; done | sort", CommandPatience));
        Assert.Empty(Complaints(guest.RunCommand("dmesg", CommandPatience)));
        guest.SendLine("poweroff -f");
        Assert.Equal(0, guest.WaitForExit(CommandPatience));
        Assert.Contains("powered off", guest.Errors, StringComparison.Ordinal);
    }

    [GuestFilesFact]
    public void Read_SixtyFourMebibytesOfRandomData_GivesTheSameChecksumTwice()
    {
        using GuestConsole guest = Start("vmlinux");
        guest.RunCommand("dd if=/dev/urandom of=/tmp/random bs=1M count=64 2>/dev/null", CommandPatience);
        string[] sums = guest.RunCommand("wc -c </tmp/random; sha256sum /tmp/random; sha256sum /tmp/random", CommandPatience).Split('\n');

        Assert.Equal((64 << 20).ToString(CultureInfo.InvariantCulture), sums[0]);
        Assert.Matches("^[0-9a-f]{64} ", sums[1]);
        Assert.Equal(sums[1], sums[2]);
    }

    [GuestFilesFact]
    public void Reboot_FromTheShell_BringsTheShellAgain()
    {
        using GuestConsole guest = Start("vmlinux");
        guest.SendLine("reboot -f");
        Greet(guest);
        Assert.Equal("again", guest.RunCommand("echo again", CommandPatience));
        guest.SendLine("poweroff -f");

        Assert.Equal(0, guest.WaitForExit(CommandPatience));
    }

    [GuestFilesFact]
    public void Reboot_PolicyIsExit_EndsWithItsExitCode()
    {
        using GuestConsole guest = Start("vmlinux", "--on-reboot", "exit");
        guest.SendLine("reboot -f");

        Assert.Equal(4, guest.WaitForExit(CommandPatience));
    }

    [GuestFilesFact]
    public void Dmesg_AgainstQemu_HasNoComplaintThatQemuLacks()
    {
        using GuestConsole ours = Start("vmlinux");
        string[] our = Complaints(ours.RunCommand("dmesg", CommandPatience));
        using GuestConsole theirs = new("qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-nographic", "-no-reboot", "-net", "none",
            "-kernel", Repository.Guest("vmlinuz"), "-initrd", Repository.Guest("initrd.img"), "-append", "console=ttyS0");
        Greet(theirs);
        string[] their = Complaints(theirs.RunCommand("dmesg", CommandPatience));

        Assert.Empty(our.Except(their));
    }

    [GuestFilesFact]
    public void Idle_Guest_CostsLittleOfACore()
    {
        using GuestConsole guest = Start("vmlinux");
        Thread.Sleep(2000);
        TimeSpan before = guest.Process.TotalProcessorTime;
        Thread.Sleep(5000);
        guest.Process.Refresh();

        // 2 % is the promise; a busy test machine gets some room.
        Assert.InRange((guest.Process.TotalProcessorTime - before).TotalMilliseconds, 0, 250);
    }

    private static GuestConsole Start(string kernel, params string[] more)
    {
        GuestConsole guest = new(Repository.Vmm, ["run", "--accel", "software", "--kernel", Repository.Guest(kernel),
            "--initrd", Repository.Guest("initrd.img"), .. more]);
        Greet(guest);
        return guest;
    }

    private static void Greet(GuestConsole guest)
    {
        guest.Expect("This is a busybox shell", BootPatience);
        guest.Expect("guest:", BootPatience);
    }

    private static string[] Complaints(string dmesg)
        => [.. dmesg.Split('\n').Where(l => Complaint().IsMatch(l)).Select(l => Timestamp().Replace(l, ""))];

    [GeneratedRegex(@"WARNING:|BUG:|Oops|Call Trace|invalid opcode|general protection|rcu:.*stall|soft lockup|Unable to handle")]
    private static partial Regex Complaint();

    [GeneratedRegex(@"^\[ *[0-9.]+\] ")]
    private static partial Regex Timestamp();
}
