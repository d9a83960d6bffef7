using System.CommandLine;
using Vmm.Firmware.Boot;

namespace Vmm.Cli;

/// <summary><c>vmm kernel</c>: what can be done with kernel images.</summary>
internal static class KernelCommand
{
    public static Command Create()
    {
        Argument<string> from = new("BZIMAGE") { Description = "A bzImage compressed with gzip, LZ4 or zstd." };
        Argument<string> to = new("VMLINUX") { Description = "Where the ELF kernel goes." };
        Command unpack = new("unpack", "Unpack the ELF kernel of a bzImage.") { from, to };
        unpack.SetAction(result => Unpack(result.GetRequiredValue(from), result.GetRequiredValue(to)));
        return new Command("kernel", "Work on kernel images.") { unpack };
    }

    private static int Unpack(string from, string to)
    {
        using KernelImage image = KernelImage.Open(from);
        image.Unpack(to);
        return (int)ExitCode.Ok;
    }
}
