using System.CommandLine;
using Vmm.Control.Domains;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm pause</c>, <c>unpause</c>, <c>destroy</c>, <c>sysrq</c>, <c>dump-core</c>.</summary>
internal static class LifeCommands
{
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(30);

    public static Command Pause()
    {
        Argument<string> domain = DomainVerb.Domain();
        return DomainVerb.New("pause", "Stop a domain and its time.", result =>
        {
            DomainVerb.Tell(DomainVerb.Find(result.GetRequiredValue(domain)), (d, cancellation) => d.PauseAsync(cancellation));
            return (int)ExitCode.Ok;
        }, domain);
    }

    public static Command Unpause()
    {
        Argument<string> domain = DomainVerb.Domain();
        return DomainVerb.New("unpause", "Let a paused domain go on.", result =>
        {
            DomainVerb.Tell(DomainVerb.Find(result.GetRequiredValue(domain)), (d, cancellation) => d.UnpauseAsync(cancellation));
            return (int)ExitCode.Ok;
        }, domain);
    }

    public static Command Destroy()
    {
        Argument<string> domain = DomainVerb.Domain();
        Option<bool> force = new("--force", "-f") { Description = "Of xl, for Domain-0: without effect, as that is this host." };
        return DomainVerb.New("destroy", "End a domain at once, as if its plug were pulled.", result =>
        {
            Destroy(DomainVerb.Find(result.GetRequiredValue(domain)));
            return (int)ExitCode.Ok;
        }, force, domain);
    }

    public static Command Sysrq()
    {
        Argument<string> domain = DomainVerb.Domain();
        Argument<string> key = new("KEY") { Description = "The letter: s for sync, t for tasks, h for help." };
        return DomainVerb.New("sysrq", "Give a Linux guest a magic SysRq key.", result =>
        {
            DomainVerb.Tell(DomainVerb.Find(result.GetRequiredValue(domain)), (d, cancellation) => d.SendSysrqAsync(result.GetRequiredValue(key), cancellation));
            return (int)ExitCode.Ok;
        }, domain, key);
    }

    public static Command DumpCore()
    {
        Argument<string> domain = DomainVerb.Domain();
        Argument<string> file = new("FILE") { Description = "The ELF core file; one that is there is replaced." };
        return DomainVerb.New("dump-core", "Write a domain's memory and registers to a core file. The guest stands still meanwhile.", result =>
        {
            string path = Path.GetFullPath(result.GetRequiredValue(file));
            DomainVerb.Ask(DomainVerb.Find(result.GetRequiredValue(domain)), (d, cancellation) => d.DumpCoreAsync(path, cancellation), TimeSpan.FromHours(1));
            return (int)ExitCode.Ok;
        }, domain, file);
    }

    /// <summary>Ends a domain and waits until it is gone.</summary>
    /// <exception cref="DomainRefusedException">It is still there after a while.</exception>
    public static void Destroy(DomainFolder folder)
    {
        try
        {
            DomainVerb.Tell(folder, (d, cancellation) => d.DestroyAsync(cancellation));
        }
        catch (Exception e) when (e is DomainRefusedException or DomainException && !folder.IsAlive)
        {
            // It was faster.
        }

        DomainWait.ForEnd(folder, EndPatience);
    }
}
