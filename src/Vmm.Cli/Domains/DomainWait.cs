using Vmm.Control.Domains;

namespace Vmm.Cli.Domains;

/// <summary>Waiting for what domains do.</summary>
internal static class DomainWait
{
    private const int LookMilliseconds = 20;

    /// <summary>Waits until a domain is gone.</summary>
    /// <exception cref="DomainRefusedException">It is still there after the time.</exception>
    public static void ForEnd(DomainFolder folder, TimeSpan patience)
    {
        if (!For(() => !folder.IsAlive, patience)) throw new DomainRefusedException(ExitCode.Failed, $"domain '{DomainVerb.NameOf(folder)}' has not ended within {patience.TotalSeconds:0} s");
        // Waits for who removes its folder just now, and does it where the process could not.
        DomainVerb.Registry().List();
    }

    /// <summary>Looks again and again.</summary>
    /// <returns>False when it was not so in time.</returns>
    public static bool For(Func<bool> isSo, TimeSpan patience)
    {
        long deadline = patience == TimeSpan.MaxValue ? long.MaxValue : Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (!isSo())
        {
            if (Environment.TickCount64 >= deadline) return false;
            Thread.Sleep(LookMilliseconds);
        }

        return true;
    }
}
