using System.Globalization;
using Vmm.Core.Time;
using Vmm.Guest.Tests.Debian;
using Vmm.Storage;

namespace Vmm.Guest.Tests.Disk;

/// <summary>What changes of a disk while Debian's kernel uses it: its size, and how fast it may be.</summary>
public sealed class LiveDiskTests(LiveDiskMachine guest) : IClassFixture<LiveDiskMachine>
{
    private const long SizeBytes = LiveDiskMachine.SizeBytes, NewBytes = 24 << 20;

    [GuestFilesFact]
    public void GrowDisk_GuestIsTold_SeesTheNewSizeAndUsesIt()
    {
        DebianMachine debian = guest.Debian;
        for (int i = 0; i < 3; i++)
        {
            char letter = (char)('a' + i);
            string size = $"/sys/block/vd{letter}/size", device = $"/dev/vd{letter}";
            Assert.Equal($"{SizeBytes / 512}", debian.Run($"cat {size}"));
            debian.Machine.GrowDisk($"disk{i}", NewBytes);
            debian.WaitFor($"[ $(cat {size}) = {NewBytes / 512} ]");
            Assert.Contains($"vd{letter}: detected capacity change from {SizeBytes / 512} to {NewBytes / 512}", debian.Run($"dmesg | grep vd{letter}:"), StringComparison.Ordinal);
            debian.Run($"echo behind-the-old-end | dd of={device} bs=512 seek={(NewBytes / 512) - 1} conv=sync,fsync 2>/dev/null");
            Assert.Equal("behind-the-old-end", debian.Run($"dd if={device} bs=512 skip={(NewBytes / 512) - 1} iflag=direct 2>/dev/null | head -n 1"));
            Assert.Throws<ImageException>(() => debian.Machine.GrowDisk($"disk{i}", SizeBytes));
        }

        Assert.Equal("0", debian.Run("dd if=/dev/vda bs=1M skip=16 count=7 2>/dev/null | tr -d '\\000' | wc -c"));
    }

    [GuestFilesFact]
    public void Limits_GuestReads_TakesAsLongAsTheyMakeItAndNoLongerWhenTheyGo()
    {
        const ulong BytesPerSecond = 2 << 20, OperationsPerSecond = 50;
        DebianMachine debian = guest.Debian;

        // 6 MiB without what may pass at once, a tenth of a second's; then 150 operations.
        debian.Machine.SetDiskLimits("disk3", new(new TokenRate(BytesPerSecond), default));
        Assert.InRange(SecondsOf(debian, "dd if=/dev/vdd of=/dev/null bs=64k count=96 iflag=direct"), 2.8, 60);
        debian.Machine.SetDiskLimits("disk4", new(default, new TokenRate(OperationsPerSecond)));
        Assert.InRange(SecondsOf(debian, "dd if=/dev/vde of=/dev/null bs=4k count=150 iflag=direct"), 2.8, 60);

        // What was held back goes on at once when the limit goes.
        debian.Machine.SetDiskLimits("disk3", new(new TokenRate(64 << 10), default));
        debian.Run("dd if=/dev/vdd of=/dev/null bs=64k count=96 iflag=direct 2>/dev/null & sleep 0.5");
        debian.Machine.SetDiskLimits("disk3", default);
        Assert.InRange(SecondsOf(debian, "wait"), 0, 30);
    }

    // By the guest's clock, which is the host's: waiting for the console is no part of it.
    private static double SecondsOf(DebianMachine debian, string command)
    {
        string[] times = debian.Run($"cut -d' ' -f1 /proc/uptime; {command} 2>/dev/null; cut -d' ' -f1 /proc/uptime").Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return double.Parse(times[^1], CultureInfo.InvariantCulture) - double.Parse(times[0], CultureInfo.InvariantCulture);
    }
}
