namespace Vmm.Cli;

/// <summary>The flags that stand before a verb, one by one or together, as xl(1) has them.</summary>
internal static class GlobalFlags
{
    /// <summary>For --help.</summary>
    public const string Help = """
        Flags before the verb, as xl has them:
            -v  say more: with an error of a domain, its causes and the end of the domain's log
            -N  dry run: create, block-attach and network-attach print what they would do, and do nothing; other verbs refuse it
            -t  show progress although standard error is no terminal
            -T  begin each line on standard error with the time and the number of this process
            -f  go on although xend runs: without effect, as there is nothing that xend could disturb

        """;

    private const string Letters = "vNftT";

    /// <summary>-v.</summary>
    public static bool IsVerbose { get; private set; }

    /// <summary>-N.</summary>
    public static bool IsDryRun { get; private set; }

    /// <summary>-t.</summary>
    public static bool ShowsProgress { get; private set; }

    /// <summary>-T.</summary>
    public static bool ShowsTime { get; private set; }

    /// <summary>Takes the flags from the front of the arguments.</summary>
    /// <returns>The verb and what follows.</returns>
    public static string[] Take(string[] args)
    {
        int taken = 0;
        while (taken < args.Length && args[taken] is ['-', not '-', ..] flags && flags.AsSpan(1).IndexOfAnyExcept(Letters) < 0)
        {
            IsVerbose |= flags.Contains('v', StringComparison.Ordinal);
            IsDryRun |= flags.Contains('N', StringComparison.Ordinal);
            ShowsProgress |= flags.Contains('t', StringComparison.Ordinal);
            ShowsTime |= flags.Contains('T', StringComparison.Ordinal);
            taken++;
        }

        return args[taken..];
    }
}
