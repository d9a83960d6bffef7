using System.CommandLine;
using Vmm.Control.Domains;
using Vmm.Control.Rpc;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm shutdown</c> and <c>vmm reboot</c>.</summary>
internal static class ShutdownCommands
{
    public static Command Shutdown()
    {
        Option<bool> all = new("--all", "-a") { Description = "All domains." };
        Option<bool> wait = new("--wait", "-w") { Description = "Wait until they have ended." };
        Option<bool> fallback = new("--fallback", "-F") { Description = "Press the power button of a guest without Xen's drivers: this is what is always done here." };
        Option<int?> timeout = new("--timeout", "-t") { HelpName = "SECONDS", Description = "Wait so long, then destroy what has not ended." };
        Argument<string[]> names = Some();
        return DomainVerb.New("shutdown", "Ask domains to shut down: the ACPI power button is pressed, the guest decides.", result =>
        {
            IReadOnlyList<DomainFolder> domains = Chosen(result.GetValue(names) ?? [], result.GetValue(all));
            TimeSpan? patience = result.GetValue(timeout) is { } seconds ? TimeSpan.FromSeconds(Math.Max(0, seconds)) : result.GetValue(wait) ? TimeSpan.MaxValue : null;
            return ShutDown(domains, patience, destroysRest: result.GetValue(timeout) is not null);
        }, all, wait, fallback, timeout, names);
    }

    public static Command Reboot()
    {
        Option<bool> all = new("--all", "-a") { Description = "All domains." };
        Option<bool> wait = new("--wait", "-w") { Description = "Wait until they have been started anew, or are gone." };
        Option<bool> fallback = new("--fallback", "-F") { Description = "Reset a guest without Xen's drivers: this is what is always done here." };
        Argument<string[]> names = Some();
        return DomainVerb.New("reboot", "Reset domains as the reset button of a PC does; on_reboot says what follows.", result =>
        {
            foreach (DomainFolder folder in Chosen(result.GetValue(names) ?? [], result.GetValue(all))) Reboot(folder, result.GetValue(wait));
            return (int)ExitCode.Ok;
        }, all, wait, fallback, names);
    }

    /// <summary>Presses the power buttons of domains, and waits for their ends where that is wanted.</summary>
    /// <param name="domains">Which.</param>
    /// <param name="patience">How long to wait; null for not at all.</param>
    /// <param name="destroysRest">What has not ended then is destroyed.</param>
    /// <returns>The exit code.</returns>
    public static int ShutDown(IReadOnlyList<DomainFolder> domains, TimeSpan? patience, bool destroysRest)
    {
        List<DomainFolder> waiting = [];
        ExitCode code = ExitCode.Ok;
        foreach (DomainFolder folder in domains)
        {
            if (Press(folder)) waiting.Add(folder);
            else if (destroysRest) LifeCommands.Destroy(folder);
            else code = ExitCode.Failed;
        }

        if (patience is not { } time || waiting.Count == 0) return (int)code;
        StandardError.Note($"waiting for {waiting.Count} {(waiting.Count == 1 ? "domain" : "domains")}");
        bool isDone = DomainWait.For(() => waiting.RemoveAll(HasEnded) >= 0 && waiting.Count == 0, time);
        DomainVerb.Registry().List();
        if (isDone) return (int)code;
        foreach (DomainFolder folder in waiting)
        {
            StandardError.Note($"domain '{DomainVerb.NameOf(folder)}' has not shut down within {time.TotalSeconds:0} s{(destroysRest ? " and is destroyed" : "")}");
            if (destroysRest) LifeCommands.Destroy(folder);
            else code = ExitCode.Failed;
        }

        return (int)code;
    }

    private static bool Press(DomainFolder folder)
    {
        PowerButtonAnswer answer = DomainVerb.Ask(folder, (d, cancellation) => d.ShutdownAsync(cancellation));
        if (!answer.IsListening) StandardError.Error($"the guest of domain '{DomainVerb.NameOf(folder)}' does not listen to the power button (yet); destroy ends it");
        return answer.IsListening;
    }

    // One that is kept after its end (preserve) does not go.
    private static bool HasEnded(DomainFolder folder)
        => !folder.IsAlive || (folder.TryRead()?.State == DomainState.Ended && DomainStatus.TryRead(folder)?.Info?.LastEnd?.Action is DomainAction.Preserve or DomainAction.RenameRestart);

    private static void Reboot(DomainFolder folder, bool waits)
    {
        DomainInfo before = DomainVerb.Ask(folder, (d, cancellation) => d.GetInfoAsync(cancellation));
        DomainVerb.Tell(folder, (d, cancellation) => d.RebootAsync(cancellation));
        if (!waits) return;
        DomainWait.For(() => HasEnded(folder) || DomainStatus.TryRead(folder)?.Info is not { } now || now.Boots > before.Boots, TimeSpan.MaxValue);
    }

    private static Argument<string[]> Some() => DomainVerb.WithNames(new Argument<string[]>("DOMAIN") { Description = "Ids or names.", Arity = ArgumentArity.ZeroOrMore });

    private static IReadOnlyList<DomainFolder> Chosen(string[] names, bool all)
    {
        if (all == (names.Length != 0)) throw new DomainException(all ? "--all and names of domains exclude each other" : "a domain is needed, or --all");
        return all ? DomainVerb.Registry().List() : [.. names.Select(DomainVerb.Find)];
    }
}
