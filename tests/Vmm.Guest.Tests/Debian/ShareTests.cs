using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Debian;

/// <summary>Linux's own 9p driver, and what the host finds of its work; its pmem driver finds its device.</summary>
public sealed class ShareTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(400);

    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-share").FullName;

    public void Dispose()
    {
        using Process remove = Process.Start("rm", ["-rf", _directory]);
        remove.WaitForExit();
    }

    [ShareGuestFact]
    public void Share_RandomOperationsInEveryCacheMode_HostHasWhatTheGuestWrote()
    {
        string work = Make("work"), locked = Make("locked");
        byte[] data = RandomNumberGenerator.GetBytes(8 << 20);
        File.WriteAllBytes(Path.Combine(work, "from-host"), data);
        File.WriteAllText(Path.Combine(locked, "f"), "read-only\n");
        File.WriteAllText(Path.Combine(work, "run.sh"), """
            options=trans=virtio,version=9p2000.L,msize=262144
            for cache in none loose; do
              mkdir /work/$cache
              mount -t 9p -o $options,cache=$cache $cache /mnt || exit 1
              storm /mnt 7 250 $([ $cache = none ] || echo map) >/tmp/$cache.log || { tail -n 1 /tmp/$cache.log; exit 2; }
              umount /mnt
              cp /tmp/$cache.log /work/$cache.log
            done
            sha256sum </work/from-host
            cp /work/from-host /work/to-host
            mount -t 9p -o $options locked /mnt || exit 3
            cat /mnt/f
            touch /mnt/x || rm /mnt/f || echo more >/mnt/f || chmod 777 /mnt/f || echo refused
            ls -l /dev/pmem0
            """);
        Make("none");
        Make("loose");

        Run("share/vmlinuz", "share/initrd.img", "quiet console=ttyS0", "--share", $"path={work},tag=work", "--share", $"path={_directory}/none,tag=none",
            "--share", $"path={_directory}/loose,tag=loose,transport=mmio", "--share", $"path={locked},tag=locked,readonly=on,transport=mmio", "--pmem", $"path={_directory}/pmem,size=16M");

        string log = File.ReadAllText(Path.Combine(work, "log"));
        Assert.EndsWith("exit code 0\n", log, StringComparison.Ordinal);
        Assert.Contains(Convert.ToHexStringLower(SHA256.HashData(data)), log, StringComparison.Ordinal);
        Assert.Contains("read-only\n", log, StringComparison.Ordinal);
        Assert.Contains("refused\n", log, StringComparison.Ordinal);
        Assert.Equal(4, log.Split("Read-only file system").Length - 1);
        Assert.Equal(data, File.ReadAllBytes(Path.Combine(work, "to-host")));
        foreach (string cache in new[] { "none", "loose" }) CompareWithLog(Path.Combine(_directory, cache), File.ReadAllLines(Path.Combine(work, $"{cache}.log")));
    }

    private static void Run(string kernel, string initrd, string append, params string[] more)
    {
        using GuestConsole guest = new(Repository.Vmm, ["run", "--accel", "software", "--kernel", Repository.Guest(kernel), "--initrd", Repository.Guest(initrd), "--append", append, .. more]);
        Assert.Equal(0, guest.WaitForExit(Patience));
    }

    /// <summary>The guest's program has written down each file's name, length and checksum (FNV-1a).</summary>
    private static void CompareWithLog(string directory, string[] log)
    {
        Dictionary<string, string> expected = log.Where(l => l.StartsWith("file ", StringComparison.Ordinal)).Select(l => l.Split(' ')).ToDictionary(w => w[1], w => $"{w[2]} {w[3]}");
        Dictionary<string, string> found = Directory.GetFiles(directory, "*", SearchOption.AllDirectories)
            .ToDictionary(f => Path.GetRelativePath(directory, f), f => Describe(File.ReadAllBytes(f)));
        Assert.Equal("storm: ok", log[^1]);
        Assert.NotEmpty(expected);
        Assert.Equal(expected.OrderBy(p => p.Key, StringComparer.Ordinal), found.OrderBy(p => p.Key, StringComparer.Ordinal));
    }

    private static string Describe(byte[] content)
    {
        ulong hash = 14695981039346656037;
        foreach (byte one in content) hash = unchecked((hash ^ one) * 1099511628211);
        return string.Create(CultureInfo.InvariantCulture, $"{content.Length} {hash:x16}");
    }

    private string Make(string name) => Directory.CreateDirectory(Path.Combine(_directory, name)).FullName;
}
