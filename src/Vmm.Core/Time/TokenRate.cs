namespace Vmm.Core.Time;

/// <summary>How fast one thing may go on, and how much of it at once after a rest.</summary>
/// <param name="PerSecond">Tokens for each second of machine time, at most <see cref="MostPerSecond"/>; 0 for no limit.</param>
/// <param name="Burst">Tokens that gather while nothing is taken; 0 stands for a tenth of a second's, at least one.</param>
public readonly record struct TokenRate(ulong PerSecond, ulong Burst = 0)
{
    /// <summary>The largest rate and the largest burst: 10^15, far above what a host can do.</summary>
    public const ulong MostPerSecond = 1_000_000_000_000_000;

    private const ulong DefaultBurstsPerSecond = 10;

    /// <summary>Whether there is a limit.</summary>
    public bool IsLimited => PerSecond != 0;

    /// <summary>The size of the bucket.</summary>
    public ulong BucketSize => Burst != 0 ? Burst : Math.Max(1, PerSecond / DefaultBurstsPerSecond);
}
