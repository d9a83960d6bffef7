using System.CommandLine;
using System.Text.Json;
using Vmm.Control.Domains;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm domain-host</c>: the process of a domain, started by <c>vmm create</c>. It is not in the help.</summary>
internal static class DomainHostCommand
{
    public const string Name = "domain-host", PausedOption = "--paused", QuietOption = "--quiet", RestoreOption = "--restore";

    public static Command Create()
    {
        Option<bool> paused = new(PausedOption) { Description = "The guest waits." };
        Option<bool> quiet = new(QuietOption) { Description = "Only errors are said before the domain is up." };
        Option<string?> restore = new(RestoreOption) { Description = "The file that the guest goes on from." };
        Command command = DomainVerb.New(Name, "Be the domain whose configuration is on standard input, as JSON.",
            result => DomainProcess.Run(ReadConfig(), result.GetValue(paused), result.GetValue(quiet), inBackground: true, result.GetValue(restore)), paused, quiet, restore);
        command.Hidden = true;
        return command;
    }

    private static DomainConfig ReadConfig()
    {
        try
        {
            using Stream input = Console.OpenStandardInput();
            using JsonDocument json = JsonDocument.Parse(input);
            return DomainConfig.FromJson(json.RootElement);
        }
        catch (JsonException e)
        {
            throw new DomainException($"standard input holds no domain: {e.Message}", e);
        }
    }
}
