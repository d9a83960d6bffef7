using System.CommandLine;
using System.Globalization;
using System.Text;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;
using Vmm.Control.Xl;
using Vmm.Machine.Config;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm network-attach</c>, <c>network-detach</c>, <c>network-list</c>.</summary>
internal static class NetworkCommands
{
    private const int Connected = 4, Closing = 5;

    public static Command Attach()
    {
        Argument<string> domain = DomainVerb.Domain();
        Argument<string[]> words = new("KEY=VALUE") { Description = "As in a vif entry: bridge=xenbr0 mac=00:16:3e:01:02:03 rate=10Mb/s.", Arity = ArgumentArity.ZeroOrMore };
        return DomainVerb.New("network-attach", "Give a domain another network device.", result =>
        {
            DomainFolder folder = DomainVerb.Find(result.GetRequiredValue(domain));
            HashSet<int> taken = [.. DomainVerb.Ask(folder, (d, cancellation) => d.GetNetsAsync(cancellation)).Select(n => XlDevices.VifNumber(n.Id)).OfType<int>()];
            int free = Enumerable.Range(0, taken.Count + 1).First(i => !taken.Contains(i));
            NetConfig net = XlDevices.Vif(string.Join(',', result.GetValue(words) ?? []), DomainVerb.NameOf(folder), free, out string? error) ?? throw new DomainException($"vif: {error}");
            DomainVerb.Tell(folder, (d, cancellation) => d.AddDeviceAsync("net", DomainClient.Words(DeviceWords.Of(net)), cancellation));
            return (int)ExitCode.Ok;
        }, domain, words);
    }

    public static Command Detach()
    {
        Argument<string> domain = DomainVerb.Domain();
        Argument<string> device = new("DEVID|MAC") { Description = "The device's number, or its address." };
        return DomainVerb.New("network-detach", "Take a network device from a domain; the guest has to let it go.", result =>
        {
            DomainFolder folder = DomainVerb.Find(result.GetRequiredValue(domain));
            string name = result.GetRequiredValue(device);
            NetEntry? net = DomainVerb.Ask(folder, (d, cancellation) => d.GetNetsAsync(cancellation))
                .FirstOrDefault(n => n.Id == name || n.Mac.Equals(name, StringComparison.OrdinalIgnoreCase) || n.Id == $"vif{name}");
            Devices.Remove(folder, net?.Id ?? throw new DomainException($"domain '{DomainVerb.NameOf(folder)}' has no network device '{name}'"));
            return (int)ExitCode.Ok;
        }, domain, device);
    }

    public static Command List()
    {
        Argument<string[]> names = DomainVerb.Domains();
        return DomainVerb.New("network-list", "List the network devices of domains.", result =>
        {
            StringBuilder text = new($"{"Idx",-3} {"BE",-2} {"Mac Addr.",-17} {"handle",-6} {"state",-5} {"evt-ch",-6} {"tx-",5}/{"rx-ring-ref",-5} {"BE-path",-30}\n");
            foreach (DomainStatus domain in DomainStatus.Read(result.GetValue(names) ?? []))
            {
                foreach (NetEntry net in DomainVerb.Ask(domain.Folder, (d, cancellation) => d.GetNetsAsync(cancellation))) Append(text, net);
            }

            result.InvocationConfiguration.Output.Write(text);
            return (int)ExitCode.Ok;
        }, names);
    }

    // The columns are those of Xen's network device; what it has and this has not is -1.
    private static void Append(StringBuilder text, NetEntry net)
    {
        string index = XlDevices.VifNumber(net.Id)?.ToString(CultureInfo.InvariantCulture) ?? net.Id;
        string end = net.Interface is null ? net.Link : net.Bridge is null ? net.Interface : $"{net.Interface} on {net.Bridge}";
        text.Append(CultureInfo.InvariantCulture, $"{index,-3} {0,-2} {net.Mac,-17} {index,-6} {(net.IsLeaving ? Closing : Connected),-5} {-1,-6} {-1,5}/{-1,-5} {end,-30}\n");
    }
}
