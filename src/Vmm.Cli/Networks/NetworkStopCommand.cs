using System.CommandLine;

namespace Vmm.Cli.Networks;

/// <summary><c>vmm network stop</c>.</summary>
internal static class NetworkStopCommand
{
    public static Command Create()
    {
        Argument<string> kind = NetworkCommand.Kind();
        Option<string?> name = new("--bridge", "--netdev") { HelpName = "NAME", Description = "The bridge (of route: the network card), where there are several." };
        Option<bool> verbose = new("--verbose", "-v") { Description = "Say every step." };
        Option<string> state = NetworkCommand.State();
        Command command = new("stop", "Stop a network: the host's links, addresses, routes, rules and settings are as before its start. Also after a crash.") { kind, name, verbose, state };
        command.SetAction(result =>
        {
            bool wasThere = NetworkCommand.OpenToChange(result.GetRequiredValue(state), result.GetValue(verbose)).Stop(NetworkCommand.Kinds[result.GetRequiredValue(kind)], result.GetValue(name));
            if (!wasThere) StandardError.Note("no such network is started");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
