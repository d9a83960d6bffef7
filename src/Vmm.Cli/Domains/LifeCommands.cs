using System.CommandLine;
using Vmm.Control.Domains;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm pause</c>, <c>unpause</c>, <c>destroy</c>.</summary>
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
        return DomainVerb.New("destroy", "End a domain at once, as if its plug were pulled.", result =>
        {
            DomainFolder folder = DomainVerb.Find(result.GetRequiredValue(domain));
            DomainVerb.Tell(folder, (d, cancellation) => d.DestroyAsync(cancellation));
            DomainWait.ForEnd(folder, EndPatience);
            return (int)ExitCode.Ok;
        }, domain);
    }
}
