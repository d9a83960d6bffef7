using Vmm.Guest.Tests.Debian;
using Vmm.Machine.Config;

namespace Vmm.Guest.Tests.Disk;

/// <summary>A Debian kernel with a disk of each growing kind and two more; booted when it is first asked for.</summary>
public sealed class LiveDiskMachine : IDisposable
{
    public const long SizeBytes = 16 << 20;

    private static readonly string[] Formats = ["raw", "qcow2", "vhd", "raw", "raw"];

    private readonly string _room = Directory.CreateTempSubdirectory("vmm-live").FullName;
    private DebianMachine? _debian;

    /// <summary>The machine, at its shell.</summary>
    internal DebianMachine Debian => _debian ??= Boot();

    public void Dispose()
    {
        _debian?.Dispose();
        Directory.Delete(_room, recursive: true);
    }

    private DebianMachine Boot()
    {
        for (int i = 0; i < Formats.Length; i++)
        {
            string[] options = Formats[i] == "vhd" ? ["-f", "vpc", "-o", "force_size=on"] : ["-f", Formats[i]];
            (int code, string output) = DiskGuest.Run("qemu-img", ["create", "-q", .. options, Image(i), $"{SizeBytes}"]);
            Assert.True(code == 0, output);
        }

        DebianMachine debian = new(config => config with { Disks = [.. Formats.Select((format, i) => new DiskConfig { Id = $"disk{i}", Path = Image(i), Format = format })] });
        debian.Greet();
        debian.WaitFor("modprobe virtio_blk; [ -b /dev/vde ]");
        return debian;
    }

    private string Image(int disk) => Path.Combine(_room, $"disk{disk}");
}
