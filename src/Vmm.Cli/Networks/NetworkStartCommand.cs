using System.CommandLine;
using Vmm.Network.Xend;

namespace Vmm.Cli.Networks;

/// <summary><c>vmm network start</c>.</summary>
internal static class NetworkStartCommand
{
    public static Command Create()
    {
        Argument<string> kind = NetworkCommand.Kind();
        Option<string?> bridge = new("--bridge") { HelpName = "NAME", Description = $"The bridge's name: {NetworkPlan.DefaultBridge}, or {NetworkPlan.DefaultNatBridge} of nat, if not given." };
        Option<string?> device = new("--netdev") { HelpName = "NAME", Description = "The network card: that of the default route, if not given. With nat: the only way out." };
        Option<bool> veth = new("--veth") { Description = "bridge: the card's name, addresses and routes go to one end of a veth pair whose other end, vif0.N, is in the bridge, as before xend 4." };
        Option<int> number = new("--vifnum") { HelpName = "N", Description = "bridge with --veth: the N of vif0.N." };
        Option<string> subnet = new("--subnet") { HelpName = "NET", Description = "nat: the guests' addresses; the first is the host's.", DefaultValueFactory = _ => NetworkPlan.DefaultNetwork };
        Option<bool> noServer = new("--no-dhcp") { Description = "nat: guests have fixed addresses; there is no DHCP and no name server." };
        Option<string?> domain = new("--domain") { HelpName = "NAME", Description = "nat: the guests' domain, told by DHCP." };
        Option<bool> verbose = new("--verbose", "-v") { Description = "Say every step." };
        Option<string> state = NetworkCommand.State();
        Command command = new("start", "Start a network. What is started already stays as it is; what fails is taken back whole.") { kind, bridge, device, veth, number, subnet, noServer, domain, verbose, state };
        command.SetAction(result =>
        {
            NetworkPlan plan = new()
            {
                Kind = NetworkCommand.Kinds[result.GetRequiredValue(kind)],
                Bridge = result.GetValue(bridge),
                Device = result.GetValue(device),
                HasVeth = result.GetValue(veth),
                VethNumber = result.GetValue(number),
                Network = result.GetRequiredValue(subnet),
                HasServer = !result.GetValue(noServer),
                Domain = result.GetValue(domain),
            };
            bool isVeth = plan.HasVeth || result.GetResult(number) is { Implicit: false };
            bool isNat = result.GetResult(subnet) is { Implicit: false } || !plan.HasServer || plan.Domain is not null;
            string? misplaced = plan.Kind != NetworkKind.Bridge && isVeth ? "--veth and --vifnum are for bridge"
                : plan.Kind != NetworkKind.Nat && isNat ? "--subnet, --no-dhcp and --domain are for nat"
                : plan.Kind == NetworkKind.Route && plan.Bridge is not null ? "--bridge is not for route, which has none"
                : !plan.HasVeth && result.GetResult(number) is { Implicit: false } ? "--vifnum needs --veth"
                : null;
            if (misplaced is not null)
            {
                StandardError.Error(misplaced);
                return (int)ExitCode.BadArguments;
            }

            bool isNew = NetworkCommand.OpenToChange(result.GetRequiredValue(state), result.GetValue(verbose)).Start(plan);
            if (!isNew) StandardError.Note($"the network is started already");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
