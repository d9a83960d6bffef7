using System.Diagnostics;
using System.Globalization;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>Debian lives on the machine: systemd, a login, files on a qcow2 disk.</summary>
public sealed class DebianSystemTests : IDisposable
{
    private const int FileMegabytes = 32;

    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-debian-").FullName;

    [DebianSystemFact]
    public void Boot_FromQcow2_WorksOnItsDiskAndLeavesItClean()
    {
        string disk = Path.Combine(_directory, "debian.qcow2"), raw = Path.Combine(_directory, "debian.img");
        File.Copy(Repository.Guest("debian.qcow2"), disk);

        string[] sums;
        using (DebianSystem guest = new("--vcpus", "2", "--disk", $"path={disk},format=qcow2,serial=root-disk"))
        {
            guest.LogIn();
            Assert.Equal("2", guest.Run("nproc"));
            Assert.StartsWith("apt ", guest.Run("apt-get --version | head -n 1"), StringComparison.Ordinal);
            Assert.Equal("root-disk", guest.Run("cat /sys/block/vda/serial"));
            Assert.Equal("running", guest.Run("systemctl is-system-running --wait"));
            sums = WriteFiles(guest);
            Assert.Empty(guest.Run("dmesg --level=emerg,alert,crit,err"));
            guest.PowerOff();
        }

        Assert.Contains("No errors were found", Tool("qemu-img", "check", disk), StringComparison.Ordinal);
        Tool("qemu-img", "convert", "-O", "raw", disk, raw);
        Tool("/sbin/e2fsck", "-fn", raw);
        string[] sizes = [.. sums.Select((_, i) => Tool("/sbin/debugfs", "-R", $"stat /root/file{i + 1}", raw))];
        Assert.All(sizes, text => Assert.Contains($"Size: {FileMegabytes << 20}", text, StringComparison.Ordinal));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    // Written, flushed, dropped from the guest's cache and read again from the disk.
    private static string[] WriteFiles(DebianSystem guest)
    {
        string megabytes = FileMegabytes.ToString(CultureInfo.InvariantCulture);
        string write = $"head -c {megabytes}M /dev/urandom | tee /root/file1 | md5sum; tr a-z A-Z </root/file1 | tee /root/file2 | md5sum";
        string[] written = guest.Run(write).Split('\n');
        string read = guest.Run("sync; echo 3 >/proc/sys/vm/drop_caches; for i in 1 2; do md5sum </root/file$i; done");

        Assert.Equal(2, written.Distinct().Count());
        Assert.Equal(written, read.Split('\n'));
        return written;
    }

    private static string Tool(string name, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(name, arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{name} {string.Join(' ', arguments)} gives {process.ExitCode}: {output}");
        return output;
    }
}
