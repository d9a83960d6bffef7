using System.CommandLine;
using System.Text;
using System.Text.Json;
using Vmm.Network.Xend;

namespace Vmm.Cli.Networks;

/// <summary><c>vmm network status</c>.</summary>
internal static class NetworkStatusCommand
{
    // As init scripts have it: 0 runs, 3 does not; 1 is there but not whole.
    private const int NotWhole = 1, NotStarted = 3;

    private const string Codes = """

        Exit codes: 0 all is there, 1 something is missing or its start broke off, 3 it is not started.
        """;

    public static Command Create()
    {
        Argument<string?> kind = new("KIND") { Description = "bridge, route or nat; all, if not given.", Arity = ArgumentArity.ZeroOrOne };
        kind.AcceptOnlyFromAmong([.. NetworkCommand.Kinds.Keys]);
        Option<string?> name = new("--bridge", "--netdev") { HelpName = "NAME", Description = "The bridge (of route: the network card)." };
        Option<bool> json = new("--json") { Description = "Print it as JSON." };
        Option<string> state = NetworkCommand.State();
        Command command = new("status", "Say which networks there are, and what is missing of them.") { kind, name, json, state };
        CommandLine.AppendToHelp(command, Codes);
        command.SetAction(result =>
        {
            string folder = result.GetRequiredValue(state);
            IEnumerable<NetworkStatus> all = Directory.Exists(folder) ? NetworkCommand.Open(folder, isVerbose: false).Status() : [];
            if (result.GetValue(kind) is { } wanted) all = all.Where(s => s.Plan.Kind == NetworkCommand.Kinds[wanted]);
            if (result.GetValue(name) is { } bridge) all = all.Where(s => (s.Plan.Kind == NetworkKind.Route ? s.Plan.Device : s.Plan.BridgeName) == bridge);
            NetworkStatus[] found = [.. all];
            result.InvocationConfiguration.Output.WriteLine(result.GetValue(json) ? Json(found) : Text(found));
            return found.Length == 0 ? NotStarted : found.All(s => s.IsWhole) ? (int)ExitCode.Ok : NotWhole;
        });
        return command;
    }

    private static string StateOf(NetworkStatus status) => status switch
    {
        { State: not JournalState.Started } => "broken off",
        { IsWhole: false } => "not whole",
        _ => "started",
    };

    private static string Text(NetworkStatus[] all)
    {
        if (all.Length == 0) return "not started";
        StringBuilder text = new();
        foreach (NetworkStatus status in all)
        {
            text.Append(status.Plan.Title).Append(": ").Append(StateOf(status)).Append('\n');
            Line("card", status.Plan.Kind == NetworkKind.Route ? null : status.Plan.Device);
            Line("addresses", string.Join(' ', status.Addresses));
            Line("ports", string.Join(' ', status.Ports));
            foreach (string problem in status.Problems) Line("missing", problem);
        }

        return text.ToString().TrimEnd();

        void Line(string name, string? value)
        {
            if (!string.IsNullOrEmpty(value)) text.Append("  ").Append(name.PadRight(11)).Append(value).Append('\n');
        }
    }

    private static string Json(NetworkStatus[] all) => JsonText.Of(json =>
    {
        json.WriteStartArray();
        foreach (NetworkStatus status in all)
        {
            json.WriteStartObject();
            json.WriteString("kind", status.Plan.KindName);
            json.WriteString("state", StateOf(status));
            if (status.Plan.Kind != NetworkKind.Route) json.WriteString("bridge", status.Plan.BridgeName);
            if (status.Plan.Device is not null) json.WriteString("device", status.Plan.Device);
            if (status.Plan.Kind == NetworkKind.Nat) json.WriteString("subnet", status.Plan.Network);
            WriteList(json, "addresses", status.Addresses);
            WriteList(json, "ports", status.Ports);
            WriteList(json, "problems", status.Problems);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    private static void WriteList(Utf8JsonWriter json, string name, IReadOnlyList<string> values)
    {
        json.WriteStartArray(name);
        foreach (string value in values) json.WriteStringValue(value);
        json.WriteEndArray();
    }
}
