using Vmm.Guest.Tests.Debian;
using Vmm.Machine;
using Vmm.Machine.Config;

namespace Vmm.Guest.Tests.Disk;

/// <summary>Debian's kernel works on disks of several formats at random and verifies each byte; then qemu-img finds in the images what must be there.</summary>
public class FormatTests
{
    private const long SizeBytes = 8 << 20;
    private const int Operations = 600, Depth = 16, Jobs = 2;

    // Format, qemu-img's name of it, its options, ours.
    private static readonly (string Format, string Oracle, string Options, DiskCache Cache)[] Disks =
    [
        ("vhd", "vpc", "subformat=dynamic,force_size=on", DiskCache.Writeback),
        ("vhd", "vpc", "subformat=fixed,force_size=on", DiskCache.Writeback),
        ("vmdk", "vmdk", "subformat=monolithicSparse", DiskCache.Writeback),
        ("vhd", "vpc", "subformat=dynamic,force_size=on", DiskCache.None),
        ("qcow2", "qcow2", "cluster_size=4096", DiskCache.None),
    ];

    [GuestFilesFact]
    public void Disks_RandomWorkVerifiedInTheGuest_HoldItAfterwards()
    {
        string room = Directory.CreateTempSubdirectory("vmm-formats").FullName;
        try
        {
            for (int i = 0; i < Disks.Length; i++) Tool("create", "-q", "-f", Disks[i].Oracle, "-o", Disks[i].Options, Image(room, i), $"{SizeBytes}");
            RunGuest(room);
            for (int i = 0; i < Disks.Length; i++)
            {
                string expected = Path.Combine(room, "expected");
                BlockIo.Expect(expected, SizeBytes, Seed(i));
                Tool("compare", "-q", "-f", "raw", "-F", Disks[i].Oracle, expected, Image(room, i));
            }

            Tool("check", "-q", "-f", "qcow2", Image(room, Disks.Length - 1));
        }
        finally
        {
            Directory.Delete(room, recursive: true);
        }
    }

    private static void RunGuest(string room)
    {
        string work = string.Join(';', Disks.Select((_, i) => $"verify /dev/vd{(char)('a' + i)} {Seed(i)} {Operations} {Depth} {Jobs} 1"));
        using DebianMachine debian = new(config => config with
        {
            Vcpus = 2,
            Boot = config.Boot with { Initrd = BlockIo.Initrd, CommandLine = $"console=ttyS0 quiet blockio:{work}" },
            Disks = [.. Disks.Select((disk, i) => new DiskConfig { Id = $"disk{i}", Path = Image(room, i), Format = disk.Format, Cache = disk.Cache })],
        });
        for (int i = 0; i < Disks.Length; i++) debian.Console.Expect("blockio: verified", DebianMachine.BootPatience);
        Assert.Equal(MachineEnd.PowerOff, debian.WaitForEnd().End);
        Assert.DoesNotContain(debian.Notes, note => note.StartsWith("disk", StringComparison.Ordinal));
    }

    private static int Seed(int disk) => 100 + disk;

    private static string Image(string room, int disk) => Path.Combine(room, $"disk{disk}");

    private static void Tool(params string[] arguments)
    {
        (int code, string output) = DiskGuest.Run("qemu-img", arguments);
        Assert.True(code == 0, $"qemu-img {string.Join(' ', arguments)}: {output}");
    }
}
