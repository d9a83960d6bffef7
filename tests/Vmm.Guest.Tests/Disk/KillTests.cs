using System.Globalization;
using Vmm.Host;
using Vmm.Storage;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.Disk;

/// <summary>The whole program killed at random moments while a guest writes, zeroes and flushes: nothing corrupt, and what was flushed is there.</summary>
public sealed class KillTests : IDisposable
{
    private const uint Seed = 0x5eed;
    private const uint Slots = 4096;
    private const int MostSnapshots = 3;
    private const int Clean = 0, Leaks = 3;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly string _folder = Directory.CreateTempSubdirectory("vmm-kill").FullName;

    /// <summary>Kills of each kind of image; tests/proofs/kill9.sh asks for more.</summary>
    private static int Kills => int.Parse(Environment.GetEnvironmentVariable("VMM_KILLS") ?? "3", CultureInfo.InvariantCulture);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [ExecutableTheory]
    [InlineData("qcow2", "cluster_size=65536,lazy_refcounts=off", false, "cache=writeback")]
    [InlineData("qcow2", "cluster_size=4096,lazy_refcounts=on", false, "cache=writeback,aio=threads")]
    [InlineData("qcow2", "cluster_size=65536,lazy_refcounts=on", true, "cache=none")]
    [InlineData("qcow2", "cluster_size=4096,lazy_refcounts=off", true, "cache=writeback")]
    [InlineData("raw", null, false, "cache=writeback")]
    public void Vmm_KilledUnderLoad_LeavesAGoodImageWithAllThatWasFlushed(string format, string? options, bool hasSnapshots, string disk)
    {
        string image = Path.Combine(_folder, "disk");
        Tool("qemu-img", ["create", "-q", "-f", format, .. options is null ? Array.Empty<string>() : ["-o", options], image, $"{Slots * ChurnModel.SlotBytes}"]);
        ChurnModel model = new(Seed, Slots);
        Random random = new(options?.Length ?? 1);
        uint first = 1;
        for (int kill = 0; kill < Kills; kill++)
        {
            uint flushed = RunAndKill($"path={image},format={format},{disk}", first, random.Next(400));
            WaitUntilFree(image);
            if (format == "qcow2") Check(image);
            using (IDiskImage opened = DiskImages.Open(image, ImageFormats.Parse(format), new() { ReadOnly = true })) first = model.Verify(opened, first, flushed);
            if (!hasSnapshots) continue;
            Tool("qemu-img", ["snapshot", "-c", $"s{kill}", image]);
            if (kill >= MostSnapshots) Tool("qemu-img", ["snapshot", "-d", $"s{kill - MostSnapshots}", image]);
        }

        Assert.True(model.Blocks > 100, $"only {model.Blocks} slots were ever written");
    }

    // Flushes are reported as "F " and eight hexadecimal digits.
    private static uint RunAndKill(string disk, uint first, int delayMs)
    {
        using GuestConsole guest = new(Repository.Vmm, "run", "--accel", "software", "--memory", "32M", "--kernel", DiskGuest.Kernel,
            "--append", $"work=churn seed={Seed:x} first={first:x} slots={Slots:x}", "--disk", disk);
        guest.Expect("F ", Patience);
        Thread.Sleep(delayMs);
        guest.Process.Kill();
        guest.Process.WaitForExit();
        string[] lines = [.. guest.Output.Split('\n', '\r').Where(l => l.StartsWith("F ", StringComparison.Ordinal) && l.Length == 10)];
        Assert.DoesNotContain("FAILED", guest.Output, StringComparison.Ordinal);
        return lines.Length == 0 ? first - 1 : uint.Parse(lines[^1].AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    // The kernel ends a ring, and lets go of the files that are in use there, a moment after the process.
    private static void WaitUntilFree(string image)
        => Assert.True(SpinWait.SpinUntil(() => IsFree(image), Patience), "the image stays in use");

    private static bool IsFree(string image)
    {
        try
        {
            BlockFile.Open(image, readOnly: false).Dispose();
            return true;
        }
        catch (LinuxException)
        {
            return false;
        }
    }

    // The oracle judges what the kill left; what leaked is mended by ours, after which there is nothing left to say.
    private static void Check(string image)
    {
        (int code, string output) = DiskGuest.Run("qemu-img", "check", "-f", "qcow2", image);
        Assert.True(code is Clean or Leaks, output);
        if (code == Clean) return;
        Assert.Equal(Clean, DiskGuest.Run(Repository.Vmm, "image", "check", "--format", "qcow2", "--repair", "leaks", image).Code);
        (code, output) = DiskGuest.Run("qemu-img", "check", "-f", "qcow2", image);
        Assert.True(code == Clean, output);
    }

    private static void Tool(string program, string[] arguments)
    {
        (int code, string output) = DiskGuest.Run(program, arguments);
        Assert.True(code == 0, output);
    }
}
