using System.CommandLine;
using System.Globalization;
using System.Text;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Control.Xl;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm network-attach</c>, <c>network-detach</c>, <c>network-list</c>.</summary>
internal static class NetworkCommands
{
    public static Command Attach() => Devices.Attach("network-attach", "Give a domain another network device.", "net",
        new("KEY=VALUE") { Description = "As in a vif entry: bridge=xenbr0 mac=00:16:3e:01:02:03 rate=10Mb/s.", Arity = ArgumentArity.ZeroOrMore }, Read);

    public static Command Detach() => Devices.Detach("network-detach", "Take a network device from a domain; the guest has to let it go.",
        new("DEVID|MAC") { Description = "The device's number, or its address." }, "network device", (folder, name) => Nets(folder)
            .FirstOrDefault(n => n.Id == name || n.Mac.Equals(name, StringComparison.OrdinalIgnoreCase) || n.Id == $"vif{name}")?.Id);

    public static Command List() => Devices.List("network-list", "List the network devices of domains.",
        $"{"Idx",-3} {"BE",-2} {"Mac Addr.",-17} {"handle",-6} {"state",-5} {"evt-ch",-6} {"tx-",5}/{"rx-ring-ref",-5} {"BE-path",-30}", (d, cancellation) => d.GetNetsAsync(cancellation), Append);

    private static IReadOnlyList<NetEntry> Nets(DomainFolder folder) => DomainVerb.Ask(folder, (d, cancellation) => d.GetNetsAsync(cancellation));

    // The first number that is free is the device's, where the words give none.
    private static string Read(DomainFolder folder, string words)
    {
        HashSet<int> taken = [.. Nets(folder).Select(n => XlDevices.VifNumber(n.Id)).OfType<int>()];
        int free = Enumerable.Range(0, taken.Count + 1).First(i => !taken.Contains(i));
        return DeviceWords.Of(XlDevices.Vif(words, DomainVerb.NameOf(folder), free, out string? error) ?? throw new DomainException($"vif: {error}"));
    }

    // The columns are those of Xen's network device; what it has and this has not is -1.
    private static void Append(StringBuilder text, NetEntry net)
    {
        string index = XlDevices.VifNumber(net.Id)?.ToString(CultureInfo.InvariantCulture) ?? net.Id;
        string end = net.Interface is null ? net.Link : net.Bridge is null ? net.Interface : $"{net.Interface} on {net.Bridge}";
        text.Append(CultureInfo.InvariantCulture, $"{index,-3} {0,-2} {net.Mac,-17} {index,-6} {Devices.StateOf(net.IsLeaving),-5} {-1,-6} {-1,5}/{-1,-5} {end,-30}\n");
    }
}
