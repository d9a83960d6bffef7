using System.CommandLine;
using Vmm.Network.Xend;

namespace Vmm.Cli.Networks;

/// <summary><c>vmm network</c>: the host's networks for guests. What its verbs share.</summary>
internal static class NetworkCommand
{
    private const string Explanation = """

        bridge   guests are on the wire of the host's own card, which becomes a port of the bridge under the name pNAME;
                 its addresses, routes and Ethernet address move to the bridge (or, with --veth, to a veth pair's end)
        route    guests are routed to by their own addresses (ip= of their vif), and the host answers ARP for them
        nat      guests are behind the host's address, on a bridge of their own, with DHCP and names
        """;

    /// <summary>The networks by name.</summary>
    public static IReadOnlyDictionary<string, NetworkKind> Kinds { get; } = new Dictionary<string, NetworkKind>
    {
        ["bridge"] = NetworkKind.Bridge,
        ["route"] = NetworkKind.Route,
        ["nat"] = NetworkKind.Nat,
    };

    public static Command Create()
    {
        Command command = new("network", "Start and stop the host's networks for guests, as xend's network-bridge, network-route and network-nat did.")
        {
            NetworkStartCommand.Create(),
            NetworkStopCommand.Create(),
            NetworkStatusCommand.Create(),
            NetworkServeCommand.Create(),
        };
        foreach (Command verb in command.Subcommands.Where(v => v.Name is "start" or "stop")) CommandLine.AppendToHelp(verb, Explanation);
        return command;
    }

    public static Argument<string> Kind()
    {
        Argument<string> kind = new("KIND") { Description = "bridge, route or nat.", DefaultValueFactory = _ => "bridge" };
        kind.AcceptOnlyFromAmong([.. Kinds.Keys]);
        return kind;
    }

    public static Option<string> State() => new("--state")
    {
        HelpName = "DIR",
        Description = "Where it is written down what has been done, so that it can be undone.",
        DefaultValueFactory = _ => NetworkStore.DefaultFolder,
    };

    /// <summary>Networks to be changed.</summary>
    /// <param name="folder">Where it is written down what has been done.</param>
    /// <param name="isVerbose">Every step is said.</param>
    public static HostNetworks OpenToChange(string folder, bool isVerbose)
    {
        // Before the folder, whose refusal would say less.
        HostNetworks.NeedPrivilege();
        return Open(folder, isVerbose);
    }

    /// <summary>Networks that say their steps when that is wanted.</summary>
    public static HostNetworks Open(string folder, bool isVerbose)
        => new(new NetworkStore(folder), Environment.ProcessPath ?? "vmm", step =>
        {
            if (isVerbose) StandardError.Note(step);
        });
}
