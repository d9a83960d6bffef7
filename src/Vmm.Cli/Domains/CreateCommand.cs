using System.CommandLine;
using System.Globalization;
using Vmm.Control.Domains;
using Vmm.Control.Xl;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm create</c>: a domain from a configuration file.</summary>
internal static class CreateCommand
{
    private sealed record Wishes(bool DryRun, bool Paused, bool Foreground, bool Console, bool Quiet, bool KeepsEnded);

    public static Command Create()
    {
        Option<bool> console = new("--console", "-c") { Description = "Connect to the console as soon as the domain is there." };
        Option<bool> paused = new("--paused", "-p") { Description = "Leave the domain paused." };
        Option<bool> foreground = new("--foreground", "-F") { Description = "Be the domain, instead of starting it in the background." };
        Option<bool> dryRun = new("--dryrun", "-n", "-N") { Description = "Print the configuration as JSON and start nothing." };
        Option<bool> quiet = new("--quiet", "-q") { Description = "Print nothing but errors." };
        Option<bool> keep = new("--no-monitor", "-e") { Description = "Nobody acts when the guest ends: the domain stays, without on_poweroff, on_reboot and on_crash." };
        Option<bool> viewer = new("--vncviewer", "-V") { Description = "Refused: there is no display yet." };
        Option<bool> autopass = new("--vncviewer-autopass", "-A") { Description = "Refused: there is no display yet." };
        Option<bool> masks = new("--ignore-global-affinity-masks") { Description = "Of xl: without effect, as there are no such masks." };
        Option<string?> defconfig = new("--defconfig", "-f") { HelpName = "FILE", Description = "The configuration file." };
        Argument<string[]> words = new("FILE [KEY=VALUE]")
        {
            Description = "The configuration file ('-' for standard input), and settings that win over what stands in it, also several: 'memory=512; vcpus=2'.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        return DomainVerb.New("create", "Create a domain from a configuration file in the format of xl (and of xm, as far as that is no program).", result =>
        {
            if (result.GetValue(viewer) || result.GetValue(autopass)) throw new DomainException("there is no display yet that a viewer could show; -c connects to the console");
            List<string> additions = [.. result.GetValue(words) ?? []];
            string? file = result.GetValue(defconfig);
            if (file is null && additions.Count != 0)
            {
                file = additions[0];
                additions.RemoveAt(0);
            }

            if (file is null) throw new DomainException("the configuration file is missing");
            Wishes wishes = new(result.GetValue(dryRun) || GlobalFlags.IsDryRun, result.GetValue(paused), result.GetValue(foreground), result.GetValue(console), result.GetValue(quiet), result.GetValue(keep));
            return Run(DomainFile.Read(file, additions), wishes, result.InvocationConfiguration.Output);
        }, console, paused, foreground, dryRun, quiet, keep, viewer, autopass, masks, defconfig, words);
    }

    private static int Run(DomainFile file, Wishes wishes, TextWriter output)
    {
        if (!wishes.Quiet) StandardError.Note($"parsing config from {file.Name}");
        DomainConfig? config = file.Build(out IReadOnlyList<XlError> errors, out IReadOnlyList<XlError> warnings);
        if (!wishes.Quiet)
        {
            foreach (XlError warning in warnings) StandardError.Note($"warning: {warning}");
        }

        foreach (XlError error in errors) StandardError.Error(error.ToString());
        if (config is null) return (int)ExitCode.BadArguments;
        if (wishes.DryRun)
        {
            output.WriteLine(JsonText.Of(json => config.ToJson().WriteTo(json)));
            return (int)ExitCode.Ok;
        }

        if (wishes.KeepsEnded) config = config with { OnPowerOff = DomainAction.Preserve, OnReboot = DomainAction.Preserve, OnCrash = DomainAction.Preserve };
        return wishes.Foreground ? RunInForeground(config, wishes) : Start(config, wishes);
    }

    private static int Start(DomainConfig config, Wishes wishes)
    {
        if (DomainProcess.Start(config, wishes.Paused, wishes.Quiet, out int exitCode) is not { } id) return exitCode;
        if (!wishes.Quiet) StandardError.Note($"domain '{config.Name}' is there, with id {id}");
        return wishes.Console ? ConsoleClient.Run(DomainVerb.Find(id.ToString(CultureInfo.InvariantCulture)), name: null, ConsoleClient.CtrlBracket) : exitCode;
    }

    private static int RunInForeground(DomainConfig config, Wishes wishes)
    {
        Thread? client = null;
        int code = DomainProcess.Run(config, wishes.Paused, wishes.Quiet, inBackground: false, isUp: folder =>
        {
            if (!wishes.Quiet) StandardError.Note($"domain '{DomainVerb.NameOf(folder)}' is there, with id {folder.Id}");
            if (!wishes.Console) return;
            // A guest may have ended before anybody saw its console.
            client = new Thread(() => DomainVerb.Run(() => ConsoleClient.Run(folder, name: null, ConsoleClient.CtrlBracket))) { IsBackground = true };
            client.Start();
        });
        client?.Join();
        return code;
    }
}
