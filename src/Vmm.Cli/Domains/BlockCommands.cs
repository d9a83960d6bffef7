using System.CommandLine;
using System.Globalization;
using System.Text;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Control.Xl;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm block-attach</c>, <c>block-detach</c>, <c>block-list</c>, and what there is of CDs.</summary>
internal static class BlockCommands
{
    public static Command Attach() => Devices.Attach("block-attach", "Give a domain another disk.", "disk",
        new("DISK") { Description = "The disk as in a configuration file: /vm/data.qcow2,qcow2,xvdb,rw. Several words are put together with commas.", Arity = ArgumentArity.OneOrMore },
        (_, words) => DeviceWords.Of(XlDevices.Disk(words, out string? error) ?? throw new DomainException($"disk: {error}")));

    public static Command Detach() => Devices.Detach("block-detach", "Take a disk from a domain; the guest has to let it go.",
        new("VDEV") { Description = "The disk's name, as xvdb, or its number." }, "disk", Find);

    public static Command List() => Devices.List("block-list", "List the disks of domains.",
        $"{"Vdev",-5} {"BE",-3} {"handle",-6} {"state",-5} {"evt-ch",-6} {"ring-ref",-8} {"BE-path",-30}", (d, cancellation) => d.GetDisksAsync(cancellation), Append);

    public static Command CdInsert() => Cd("cd-insert", "Put a medium into a CD drive.", [new("VDEV"), new("FILE")]);

    public static Command CdEject() => Cd("cd-eject", "Take the medium out of a CD drive.", [new("VDEV")]);

    private static Command Cd(string name, string description, Argument<string>[] more)
    {
        Argument<string> domain = DomainVerb.Domain();
        return DomainVerb.New(name, $"{description} Refused: there are no CD drives yet.", result =>
        {
            DomainFolder folder = DomainVerb.Find(result.GetRequiredValue(domain));
            throw new DomainRefusedException(ExitCode.Failed, $"domain '{DomainVerb.NameOf(folder)}' has no CD drive: there are none yet; block-attach gives a guest an image as a disk (…,raw,xvdb,ro)");
        }, [domain, .. more]);
    }

    private static string? Find(DomainFolder folder, string name)
    {
        IReadOnlyList<DiskEntry> disks = DomainVerb.Ask(folder, (d, cancellation) => d.GetDisksAsync(cancellation));
        DiskEntry? disk = disks.FirstOrDefault(d => d.Id == name) ?? disks.FirstOrDefault(d => XlDevices.DiskNumber(d.Id) is { } number && number == XlDevices.DiskNumber(name));
        return disk?.Id;
    }

    // The columns are those of Xen's block device; what it has and this has not is -1.
    private static void Append(StringBuilder text, DiskEntry disk)
    {
        string number = XlDevices.DiskNumber(disk.Id)?.ToString(CultureInfo.InvariantCulture) ?? disk.Id;
        text.Append(CultureInfo.InvariantCulture, $"{number,-5} {0,-3} {number,-6} {Devices.StateOf(disk.IsLeaving),-5} {-1,-6} {-1,-8} {disk.Path,-30}\n");
    }
}
