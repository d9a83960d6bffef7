using System.CommandLine;
using System.Text;
using Vmm.Host;
using Vmm.Host.Processes;
using Vmm.Network.Xend;
using Vmm.Network.Xend.Server;

namespace Vmm.Cli.Networks;

/// <summary><c>vmm network serve</c>: the process that serves a network with NAT. Started by <c>vmm network start nat</c>.</summary>
internal static class NetworkServeCommand
{
    public static Command Create()
    {
        Argument<string> bridge = new("BRIDGE") { Description = "The network's bridge." };
        Option<string> subnet = new("--subnet") { HelpName = "NET", Required = true, Description = "The guests' addresses." };
        Option<string?> domain = new("--domain") { HelpName = "NAME", Description = "The guests' domain." };
        Option<string> state = NetworkCommand.State();
        // Nobody's verb but that of 'start'.
        Command command = new("serve", "Serve DHCP and names to the guests of a bridge.") { bridge, subnet, domain, state };
        command.Hidden = true;
        command.SetAction(result =>
        {
            string name = result.GetRequiredValue(bridge);
            NetworkPlan plan = new() { Kind = NetworkKind.Nat, Bridge = name, Network = result.GetRequiredValue(subnet), Domain = result.GetValue(domain) };
            plan.Check();
            NetworkStore networks = new(result.GetRequiredValue(state));
            ServerProcess process = new(networks.Folder, name);
            using LockFile claim = process.Claim();
            using GuestServer server = new(name, plan, networks, process.LeasePath, StandardError.Note);
            _ = LinuxFile.Standard(1).Write(Encoding.ASCII.GetBytes(ServerProcess.Ready));
            StandardStreams.LeaveTerminal(process.LogPath);
            // Until it is ended by 'stop', or a signal.
            Thread.Sleep(Timeout.Infinite);
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
