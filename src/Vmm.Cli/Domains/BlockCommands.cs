using System.CommandLine;
using System.Globalization;
using System.Text;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Control.Xl;
using Vmm.Machine.Config;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm block-attach</c>, <c>block-detach</c>, <c>block-list</c>, and what there is of CDs.</summary>
internal static class BlockCommands
{
    private const int Connected = 4, Closing = 5;

    public static Command Attach()
    {
        Argument<string> domain = DomainVerb.Domain();
        Argument<string[]> words = new("DISK") { Description = "The disk as in a configuration file: /vm/data.qcow2,qcow2,xvdb,rw. Several words are put together with commas.", Arity = ArgumentArity.OneOrMore };
        return DomainVerb.New("block-attach", "Give a domain another disk.", result =>
        {
            DiskConfig disk = XlDevices.Disk(string.Join(',', result.GetRequiredValue(words)), out string? error) ?? throw new DomainException($"disk: {error}");
            DomainVerb.Tell(DomainVerb.Find(result.GetRequiredValue(domain)), (d, cancellation) => d.AddDeviceAsync("disk", DomainClient.Words(DeviceWords.Of(disk)), cancellation));
            return (int)ExitCode.Ok;
        }, domain, words);
    }

    public static Command Detach()
    {
        Argument<string> domain = DomainVerb.Domain();
        Argument<string> device = new("VDEV") { Description = "The disk's name, as xvdb, or its number." };
        return DomainVerb.New("block-detach", "Take a disk from a domain; the guest has to let it go.", result =>
        {
            DomainFolder folder = DomainVerb.Find(result.GetRequiredValue(domain));
            string name = result.GetRequiredValue(device);
            IReadOnlyList<DiskEntry> disks = DomainVerb.Ask(folder, (d, cancellation) => d.GetDisksAsync(cancellation));
            DiskEntry? disk = disks.FirstOrDefault(d => d.Id == name) ?? disks.FirstOrDefault(d => XlDevices.DiskNumber(d.Id) is { } number && number == XlDevices.DiskNumber(name));
            Devices.Remove(folder, disk?.Id ?? throw new DomainException($"domain '{DomainVerb.NameOf(folder)}' has no disk '{name}'"));
            return (int)ExitCode.Ok;
        }, domain, device);
    }

    public static Command List()
    {
        Argument<string[]> names = DomainVerb.Domains();
        return DomainVerb.New("block-list", "List the disks of domains.", result =>
        {
            StringBuilder text = new($"{"Vdev",-5} {"BE",-3} {"handle",-6} {"state",-5} {"evt-ch",-6} {"ring-ref",-8} {"BE-path",-30}\n");
            foreach (DomainStatus domain in DomainStatus.Read(result.GetValue(names) ?? []))
            {
                foreach (DiskEntry disk in DomainVerb.Ask(domain.Folder, (d, cancellation) => d.GetDisksAsync(cancellation))) Append(text, disk);
            }

            result.InvocationConfiguration.Output.Write(text);
            return (int)ExitCode.Ok;
        }, names);
    }

    public static Command CdInsert() => Cd("cd-insert", "Put a medium into a CD drive.", [new("DRIVE"), new("FILE")]);

    public static Command CdEject() => Cd("cd-eject", "Take the medium out of a CD drive.", [new("DRIVE")]);

    private static Command Cd(string name, string description, Argument<string>[] more)
        => DomainVerb.New(name, description, _ => throw new DomainException("there are no CD drives yet; block-attach gives a guest an image as a disk"), [DomainVerb.Domain(), .. more]);

    // The columns are those of Xen's block device; what it has and this has not is -1.
    private static void Append(StringBuilder text, DiskEntry disk)
    {
        string number = XlDevices.DiskNumber(disk.Id)?.ToString(CultureInfo.InvariantCulture) ?? disk.Id;
        text.Append(CultureInfo.InvariantCulture, $"{number,-5} {0,-3} {number,-6} {(disk.IsLeaving ? Closing : Connected),-5} {-1,-6} {-1,-8} {disk.Path,-30}\n");
    }
}
