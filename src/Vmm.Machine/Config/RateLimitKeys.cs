using Vmm.Core.Time;

namespace Vmm.Machine.Config;

/// <summary>The keys of a device's rate limits: bps and iops with their bursts.</summary>
internal static class RateLimitKeys
{
    /// <summary>Takes them out; what is not given is not limited.</summary>
    public static RateLimits Take(OptionText keys) => new(
        new TokenRate(keys.TakeSize("bps") ?? 0, keys.TakeSize("bps-burst") ?? 0),
        new TokenRate((ulong)keys.TakeNumber("iops", 0, 1, int.MaxValue), (ulong)keys.TakeNumber("iops-burst", 0, 1, int.MaxValue)));

    /// <summary>Finds what is wrong with them.</summary>
    public static void Check(string path, RateLimits limits, List<ConfigError> errors)
    {
        Check(path, "bps", limits.Bytes, errors);
        Check(path, "iops", limits.Operations, errors);
    }

    private static void Check(string path, string key, TokenRate rate, List<ConfigError> errors)
    {
        if (rate.PerSecond > TokenRate.MostPerSecond) errors.Add(new($"{path}.{key}", $"{rate.PerSecond} is more than {TokenRate.MostPerSecond}"));
        if (rate.Burst > TokenRate.MostPerSecond) errors.Add(new($"{path}.{key}-burst", $"{rate.Burst} is more than {TokenRate.MostPerSecond}"));
        if (rate.Burst != 0 && !rate.IsLimited) errors.Add(new($"{path}.{key}-burst", $"is nothing without {key}"));
    }
}
