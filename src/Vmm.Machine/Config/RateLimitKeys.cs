using Vmm.Core.Time;

namespace Vmm.Machine.Config;

/// <summary>The keys of a device's rate limits: bytes and operations with their bursts, for one direction or both.</summary>
/// <param name="operations">What operations are called: "iops", "pps".</param>
/// <param name="prefix">What stands before the keys of a direction: "rx-".</param>
internal sealed class RateLimitKeys(string operations, string prefix = "")
{
    private const string Bytes = "bps";

    /// <summary>Those of a disk.</summary>
    public static RateLimitKeys Disk { get; } = new("iops");

    /// <summary>Takes them out; what is not given is not limited.</summary>
    public RateLimits Take(OptionText keys) => new(
        new TokenRate(keys.TakeSize($"{prefix}{Bytes}") ?? 0, keys.TakeSize($"{prefix}{Bytes}-burst") ?? 0),
        new TokenRate((ulong)keys.TakeNumber($"{prefix}{operations}", 0, 1, int.MaxValue), (ulong)keys.TakeNumber($"{prefix}{operations}-burst", 0, 1, int.MaxValue)));

    /// <summary>Finds what is wrong with them.</summary>
    public void Check(string path, RateLimits limits, List<ConfigError> errors)
    {
        Check(path, $"{prefix}{Bytes}", limits.Bytes, errors);
        Check(path, $"{prefix}{operations}", limits.Operations, errors);
    }

    private static void Check(string path, string key, TokenRate rate, List<ConfigError> errors)
    {
        if (rate.PerSecond > TokenRate.MostPerSecond) errors.Add(new($"{path}.{key}", $"{rate.PerSecond} is more than {TokenRate.MostPerSecond}"));
        if (rate.Burst > TokenRate.MostPerSecond) errors.Add(new($"{path}.{key}-burst", $"{rate.Burst} is more than {TokenRate.MostPerSecond}"));
        if (rate.Burst != 0 && !rate.IsLimited) errors.Add(new($"{path}.{key}-burst", $"is nothing without {key}"));
    }
}
