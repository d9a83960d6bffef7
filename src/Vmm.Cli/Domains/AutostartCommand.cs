using System.CommandLine;
using System.Globalization;
using System.Text;
using Vmm.Control.Domains;
using Vmm.Control.Xl;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm autostart</c>: the domains of a folder with the host, as xendomains did it.</summary>
internal static class AutostartCommand
{
    private const int DefaultMaxWaitSeconds = 300;

    private const string Help = """

        The domains are those whose configuration files are in the folder, in the order of their names; hidden files and what editors
        and packages leave ('~', .bak, .dpkg-*, .rpmsave) are passed over.
        With --save, the domains are saved to files in that folder instead of being shut down, and those that are there go on before others
        are started. A domain that cannot be saved is shut down; a file from which no domain could be made stays, and its domain is not started.
        """;

    // What editors and packages leave beside files.
    private static readonly string[] LeftOvers = ["~", ".bak", ".swp", ".orig", ".rpmsave", ".rpmnew", ".rpmorig", ".dpkg-old", ".dpkg-dist", ".dpkg-new", ".dpkg-tmp"];

    private sealed record Entry(string Path, string Name, DomainConfig? Config, IReadOnlyList<XlError> Errors);

    public static Command Create()
    {
        Option<string?> folder = new("--folder") { HelpName = "DIR", Recursive = true, Description = "The folder. [default: /etc/vmm/auto; without root vmm/auto in ~/.config]" };
        Option<int> delay = new("--delay") { HelpName = "SECONDS", Description = "The time between two starts. [default: 0]" };
        Option<int> maxWait = new("--max-wait") { HelpName = "SECONDS", DefaultValueFactory = _ => DefaultMaxWaitSeconds, Description = "What has not shut down then is destroyed." };
        Option<bool> all = new("--all", "-a") { Description = "Also domains that are not of the folder." };
        Option<string?> save = new("--save") { HelpName = "DIR", Description = "Save the domains there when they stop, and let those that are there go on at the start." };
        Command start = DomainVerb.New("start", "Create the domains that do not run.",
            result => Start(Read(result.GetValue(folder)), TimeSpan.FromSeconds(Math.Max(0, result.GetValue(delay))), result.GetValue(save)), delay, save);
        Command stop = DomainVerb.New("stop", "Shut the domains down, the last one first.",
            result => Stop(Read(result.GetValue(folder)), TimeSpan.FromSeconds(Math.Max(0, result.GetValue(maxWait))), result.GetValue(all), result.GetValue(save)), maxWait, all, save);
        Command status = DomainVerb.New("status", "Say which of the domains run.", result => Status(Read(result.GetValue(folder)), result.InvocationConfiguration.Output));
        Command command = new("autostart", "Start and stop the domains of a folder with the host.") { start, stop, status };
        command.Options.Add(folder);
        CommandLine.AppendToHelp(command, Help);
        return command;
    }

    private static List<Entry> Read(string? folder)
    {
        string path = folder ?? DefaultFolder();
        if (!Directory.Exists(path)) throw new DomainException($"there is no folder {path}");
        List<Entry> entries = [];
        foreach (string file in Directory.GetFiles(path).Where(IsConfiguration).Order(StringComparer.Ordinal))
        {
            DomainConfig? config = DomainFile.Read(file, []).Build(out IReadOnlyList<XlError> errors, out _);
            entries.Add(new(file, config?.Name ?? Path.GetFileName(file), config, errors));
        }

        return entries;
    }

    private static string DefaultFolder()
        => Environment.IsPrivilegedProcess ? "/etc/vmm/auto" : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData), "vmm", "auto");

    private static bool IsConfiguration(string path)
        => !Path.GetFileName(path).StartsWith('.') && !LeftOvers.Any(end => path.EndsWith(end, StringComparison.Ordinal));

    private static int Start(List<Entry> entries, TimeSpan delay, string? save)
    {
        HashSet<string> running = [.. Running().Select(d => d.Name)];
        int failed = 0, started = 0;
        foreach ((string name, bool goesOn) in save is null ? [] : SavedDomains.RestoreAll(save, running))
        {
            // One that could not go on is not started anew either: its guest would find its disks as after a crash.
            running.Add(name);
            if (!goesOn) failed++;
        }

        foreach (Entry entry in entries)
        {
            if (running.Contains(entry.Name))
            {
                if (save is null) StandardError.Note($"'{entry.Name}' runs already");
                continue;
            }

            if (started++ != 0) Thread.Sleep(delay);
            foreach (XlError error in entry.Errors) StandardError.Error(error.ToString());
            // One that cannot be started does not keep the others from it.
            if (entry.Config is null || DomainProcess.Start(entry.Config, isPaused: false, isQuiet: true, out _) is not { } id) failed++;
            else StandardError.Note($"'{entry.Name}' is started, with id {id}");
        }

        if (failed != 0) StandardError.Error($"{failed} domains could not be started");
        return failed == 0 ? (int)ExitCode.Ok : (int)ExitCode.Failed;
    }

    private static int Stop(List<Entry> entries, TimeSpan maxWait, bool all, string? save)
    {
        HashSet<string> names = [.. entries.Select(e => e.Name)];
        List<(DomainFolder Folder, string Name)> running = [.. Running().Where(d => all || names.Contains(d.Name))];
        running.Reverse();
        if (save is not null) running.RemoveAll(domain => SavedDomains.TrySave(domain.Folder, domain.Name, save, maxWait));
        if (running.Count == 0) return (int)ExitCode.Ok;
        return ShutdownCommands.ShutDown([.. running.Select(d => d.Folder)], maxWait, destroysRest: true);
    }

    private static int Status(List<Entry> entries, TextWriter output)
    {
        Dictionary<string, int> running = Running().ToDictionary(d => d.Name, d => d.Folder.Id, StringComparer.Ordinal);
        StringBuilder text = new();
        foreach (Entry entry in entries)
        {
            string state = running.TryGetValue(entry.Name, out int id) ? string.Create(CultureInfo.InvariantCulture, $"running, id {id}")
                : entry.Config is null ? $"cannot be started: {entry.Errors[0]}" : "not running";
            text.Append(CultureInfo.InvariantCulture, $"{entry.Name,-32} {Path.GetFileName(entry.Path),-24} {state}\n");
        }

        output.Write(text);
        return entries.All(e => running.ContainsKey(e.Name)) ? (int)ExitCode.Ok : (int)ExitCode.Failed;
    }

    private static IEnumerable<(DomainFolder Folder, string Name)> Running() => DomainVerb.Registry().List().Select(f => (f, DomainVerb.NameOf(f)));
}
