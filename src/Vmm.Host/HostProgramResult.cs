namespace Vmm.Host;

/// <summary>How a program of the host ended.</summary>
/// <param name="ExitCode">Its exit code; null when it was ended because it took too long.</param>
/// <param name="Output">What it wrote, as far as it was kept.</param>
/// <param name="Errors">What it wrote to standard error, as far as it was kept.</param>
public sealed record HostProgramResult(int? ExitCode, string Output, string Errors)
{
    /// <summary>Whether it ended in time and said that all is well.</summary>
    public bool IsGood => ExitCode == 0;
}
