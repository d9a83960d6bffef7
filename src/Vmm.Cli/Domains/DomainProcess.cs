using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Vmm.Control.Domains;
using Vmm.Host;
using Vmm.Host.Processes;
using Vmm.Machine;
using Vmm.Machine.Snapshot;

namespace Vmm.Cli.Domains;

/// <summary>
/// The process of a domain: this executable once more, in a session of its own. It gets the configuration's text on standard input, and
/// says on standard output with the domain's id that it is up; until then its errors go where those of the starter go.
/// </summary>
internal static class DomainProcess
{
    private const string Self = "/proc/self/exe";
    private const int MostAnswerBytes = 16;

    /// <summary>Starts a domain in the background and waits until it is up.</summary>
    /// <param name="config">The domain.</param>
    /// <param name="isPaused">The guest waits for <c>unpause</c>.</param>
    /// <param name="isQuiet">Only errors are said before it is up.</param>
    /// <param name="exitCode">That of the process where it could not be started.</param>
    /// <param name="saved">The file that the guest goes on from; null for one that begins.</param>
    /// <returns>The domain's id; null when it could not be started, which it has said.</returns>
    public static int? Start(DomainConfig config, bool isPaused, bool isQuiet, out int exitCode, string? saved = null)
    {
        List<string> arguments = ["vmm", DomainHostCommand.Name];
        if (isPaused) arguments.Add(DomainHostCommand.PausedOption);
        if (isQuiet) arguments.Add(DomainHostCommand.QuietOption);
        if (saved is not null) arguments.AddRange([DomainHostCommand.RestoreOption, saved]);
        // By its path, so that the process has its name; by the link where the file was replaced since.
        string program = Environment.ProcessPath is { } path && File.Exists(path) ? path : Self;
        using DetachedProcess process = DetachedProcess.Start(program, arguments, Encoding.UTF8.GetBytes(config.ToJson().GetRawText()));
        if (TryReadId(process.Output, out int id))
        {
            exitCode = (int)ExitCode.Ok;
            return id;
        }

        exitCode = process.WaitForExit();
        if (exitCode >= (int)ExitCode.Signal) StandardError.Error($"the process of the domain was ended by signal {exitCode - (int)ExitCode.Signal}");
        return null;
    }

    /// <summary>Is the domain, until it ends.</summary>
    /// <param name="config">The domain.</param>
    /// <param name="isPaused">The guest waits for <c>unpause</c>.</param>
    /// <param name="isQuiet">Only errors are said before it is up.</param>
    /// <param name="inBackground">Another process waits to hear that it is up; the terminal is that one's.</param>
    /// <param name="saved">The file that the guest goes on from; null for one that begins.</param>
    /// <param name="isUp">Called with the folder when it is up, in the foreground.</param>
    /// <returns>The exit code.</returns>
    public static int Run(DomainConfig config, bool isPaused, bool isQuiet, bool inBackground, string? saved = null, Action<DomainFolder>? isUp = null)
    {
        using DomainLog log = new(isQuiet);
        using DomainHost host = saved is null ? NewHost(config, log, isPaused) : Restore(config, log, isPaused, isQuiet, saved);
        using Signals signals = new(host.Destroy);
        if (inBackground)
        {
            log.Open(host.Folder.Log);
            if (!TryReport(host.Folder.Id)) return (int)ExitCode.Failed;
            StandardStreams.LeaveTerminal(host.Folder.Log);
        }

        isUp?.Invoke(host.Folder);
        MachineOutcome outcome = host.Run();
        return (int)ExitCodes.Of(outcome.End);
    }

    private static DomainHost Restore(DomainConfig config, DomainLog log, bool isPaused, bool isQuiet, string path)
    {
        using SnapshotReader saved = SaveCommands.Open(path);
        using ProgressBar bar = new();
        return NewHost(config, log, isPaused, saved, isQuiet ? null : bar.Report);
    }

    private static DomainHost NewHost(DomainConfig config, DomainLog log, bool isPaused, SnapshotReader? saved = null, Action<double>? progress = null)
        => new(config, DomainVerb.Registry(), log.Write, new DomainHostOptions { IsPaused = isPaused, Spawn = Spawn, Saved = saved, Progress = progress });

    // on_…=rename-restart: another domain in the place of this one.
    private static void Spawn(DomainConfig config)
    {
        if (Start(config, isPaused: false, isQuiet: true, out int exitCode) is null) throw new InvalidOperationException($"its process ended with exit code {exitCode}");
    }

    private static bool TryReadId(LinuxFile output, out int id)
    {
        byte[] answer = new byte[MostAnswerBytes];
        int length = 0, count;
        while (length < answer.Length && (count = output.Read(answer.AsSpan(length))) > 0)
        {
            length += count;
            if (answer[length - 1] == '\n') break;
        }

        return int.TryParse(Encoding.ASCII.GetString(answer, 0, length).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out id);
    }

    // False when who wanted the domain is gone.
    private static bool TryReport(int id)
    {
        try
        {
            return LinuxFile.Standard(1).Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}\n"))) > 0;
        }
        catch (LinuxException)
        {
            return false;
        }
    }

    /// <summary>A signal that asks for the end ends the domain in order. The terminal's hang-up is not its affair.</summary>
    private sealed class Signals : IDisposable
    {
        private static readonly (PosixSignal Signal, string Name)[] Ending = [(PosixSignal.SIGTERM, "SIGTERM"), (PosixSignal.SIGINT, "SIGINT"), (PosixSignal.SIGQUIT, "SIGQUIT")];

        private readonly List<PosixSignalRegistration> _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGHUP, context => context.Cancel = true)];

        public Signals(Action<string> end)
        {
            foreach ((PosixSignal signal, string name) in Ending)
            {
                _registrations.Add(PosixSignalRegistration.Create(signal, context =>
                {
                    context.Cancel = true;
                    end($"ended by {name}");
                }));
            }
        }

        public void Dispose()
        {
            foreach (PosixSignalRegistration registration in _registrations) registration.Dispose();
        }
    }
}
