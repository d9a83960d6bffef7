using System.CommandLine;

namespace Vmm.Cli;

/// <summary>A verb of the command line. It is made only when it is needed: making all of them costs more than most of them do.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Create">Makes it.</param>
/// <param name="IsOfXl">Whether it is there under the names xl and xm, too.</param>
/// <param name="KnowsDryRun">Whether it does nothing with -N but say what it would do.</param>
internal sealed record Verb(string Name, Func<Command> Create, bool IsOfXl = false, bool KnowsDryRun = false)
{
    /// <summary>What a command line that cannot be read ends with, for the command that it came to.</summary>
    public Func<Command, int> BadArguments { get; init; } = static _ => (int)ExitCode.BadArguments;
}
