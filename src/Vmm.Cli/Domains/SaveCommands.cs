using System.CommandLine;
using System.Globalization;
using Vmm.Control.Domains;
using Vmm.Control.Xl;
using Vmm.Machine.Snapshot;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm save</c> and <c>vmm restore</c>.</summary>
internal static class SaveCommands
{
    private const string SaveHelp = """

        The file holds the guest's memory, its vCPUs and the state of all devices, but not what its disks hold: they must be as they
        were when the guest goes on. A guest that goes on running (--checkpoint) changes them; keep copies of the images then.
        A guest that cannot be saved goes on. Connections of the guest through a user network and vsock are reset when it is restored.
        """;

    private const string RestoreHelp = """

        The domain has the configuration that it was saved with, devices added at run time included, or that of CONFIG, which must describe
        the same machine: memory, vCPUs, and devices by their names. The file stays; it is of no use once the guest has gone on and
        written to its disks. Whoever made it chose the paths in its configuration: restore only files that you trust.
        """;

    private static readonly TimeSpan Patience = TimeSpan.FromHours(1);

    public static Command Save()
    {
        Option<bool> checkpoint = new("--checkpoint", "-c") { Description = "Leave the domain running afterwards." };
        Option<bool> paused = new("--paused", "-p") { Description = "Leave the domain there afterwards, paused." };
        Argument<string> domain = DomainVerb.Domain();
        Argument<string> file = new("FILE") { Description = "The file; one that is there is replaced when all is written." };
        Command command = DomainVerb.New("save", "Save a domain to a file and end it: restore goes on where it was.", result =>
        {
            (bool leaveRunning, bool leavePaused) = (result.GetValue(checkpoint), result.GetValue(paused));
            if (leaveRunning && leavePaused) throw new DomainException("--checkpoint and --paused exclude each other");
            DomainFolder folder = DomainVerb.Find(result.GetRequiredValue(domain));
            Save(folder, result.GetRequiredValue(file), leaveRunning, leavePaused, Patience);
            return (int)ExitCode.Ok;
        }, checkpoint, paused, domain, file);
        CommandLine.AppendToHelp(command, SaveHelp);
        return command;
    }

    public static Command Restore()
    {
        Option<bool> paused = new("--paused", "-p") { Description = "Leave the domain paused." };
        Option<bool> console = new("--console", "-c") { Description = "Connect to the console as soon as the domain is there." };
        Option<bool> keep = new("--no-monitor", "-e") { Description = "Nobody acts when the guest ends: the domain stays, without on_poweroff, on_reboot and on_crash." };
        Option<bool> quiet = new("--quiet", "-q") { Description = "Print nothing but errors." };
        Argument<string[]> words = new("[CONFIG] FILE") { Description = "The configuration, where it is not to be the saved one, and the file of vmm save.", Arity = new ArgumentArity(1, 2) };
        Command command = DomainVerb.New("restore", "Make a domain that goes on where a saved one was.", result =>
        {
            string[] names = result.GetValue(words)!;
            string path = Path.GetFullPath(names[^1]);
            bool isQuiet = result.GetValue(quiet);
            if (ReadConfig(names.Length == 2 ? names[0] : null, path, isQuiet) is not { } config) return (int)ExitCode.BadArguments;
            if (result.GetValue(keep)) config = config with { OnPowerOff = DomainAction.Preserve, OnReboot = DomainAction.Preserve, OnCrash = DomainAction.Preserve };
            if (DomainProcess.Start(config, result.GetValue(paused), isQuiet, out int exitCode, path) is not { } id) return exitCode;
            if (!isQuiet) StandardError.Note($"domain '{config.Name}' is there again, with id {id}");
            return result.GetValue(console) ? ConsoleClient.Run(DomainVerb.Find(id.ToString(CultureInfo.InvariantCulture)), name: null, ConsoleClient.CtrlBracket) : exitCode;
        }, paused, console, keep, quiet, words);
        CommandLine.AppendToHelp(command, RestoreHelp);
        return command;
    }

    /// <summary>Saves a domain, with a bar where somebody watches, and waits for its end where it is not to stay.</summary>
    /// <exception cref="DomainRefusedException">It was not saved.</exception>
    public static void Save(DomainFolder folder, string file, bool leaveRunning, bool leavePaused, TimeSpan patience)
    {
        string path = Path.GetFullPath(file);
        using (ProgressBar bar = new())
        {
            Action<double>? report = bar.Report;
            DomainVerb.Ask(folder, (d, cancellation) => d.SaveAsync(path, leaveRunning, leavePaused, cancellation), patience,
                report is null ? null : happening => report(happening.Progress ?? 0));
        }

        if (!leaveRunning && !leavePaused) DomainWait.ForEnd(folder, TimeSpan.FromSeconds(30));
    }

    /// <summary>Opens a file of <c>vmm save</c>.</summary>
    /// <exception cref="DomainException">It cannot be read.</exception>
    public static SnapshotReader Open(string path)
    {
        try
        {
            return SnapshotReader.Open(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            string why = e is FileNotFoundException or DirectoryNotFoundException ? "no such file" : Directory.Exists(path) ? "it is a directory" : e.Message;
            throw new DomainException($"{path}: {why}", e);
        }
    }

    /// <summary>The domain that a file holds.</summary>
    /// <exception cref="DomainException">It holds none.</exception>
    public static DomainConfig ConfigOf(string path)
    {
        using SnapshotReader saved = Open(path);
        return DomainHost.ConfigOf(saved);
    }

    private static DomainConfig? ReadConfig(string? file, string saved, bool isQuiet)
    {
        if (file is null) return ConfigOf(saved);
        DomainConfig? config = DomainFile.Read(file, []).Build(out IReadOnlyList<XlError> errors, out IReadOnlyList<XlError> warnings);
        foreach (XlError warning in isQuiet ? [] : warnings) StandardError.Note($"warning: {warning}");
        foreach (XlError error in errors) StandardError.Error(error.ToString());
        return config;
    }
}
