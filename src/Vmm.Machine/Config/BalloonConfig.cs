namespace Vmm.Machine.Config;

/// <summary>A virtio memory balloon: memory that the guest does not need goes back to the host.</summary>
public sealed record BalloonConfig : DeviceConfig
{
    private const int MostStatisticsSeconds = 24 * 60 * 60;

    /// <summary>What the balloon takes from the guest from the beginning; <see cref="GuestMachine.SetBalloonTarget"/> changes it.</summary>
    public ulong TargetBytes { get; init; }

    /// <summary>How often the guest is asked for its statistics; 0 for never.</summary>
    public int StatisticsSeconds { get; init; }

    /// <summary>The guest gives back pages that it has freed, without a balloon.</summary>
    public bool Reporting { get; init; }

    /// <summary>The guest may take pages out of the balloon before it runs out of memory.</summary>
    public bool DeflateOnOom { get; init; }

    /// <inheritdoc/>
    internal override string Kind => "balloon";

    /// <inheritdoc/>
    internal override void Check(string path, List<ConfigError> errors)
    {
        if (TargetBytes > ConfigValidator.MostMemoryBytes) errors.Add(new($"{path}.target", $"{SizeText.Format(TargetBytes)} is more than a guest can have"));
        if (StatisticsSeconds is < 0 or > MostStatisticsSeconds) errors.Add(new($"{path}.stats", $"{StatisticsSeconds} is not from 0 to {MostStatisticsSeconds}"));
    }

    /// <summary>Reads "target=…,stats=…"; nothing is needed.</summary>
    public static BalloonConfig Parse(int index, string text, List<ConfigError> errors)
    {
        OptionText keys = new($"balloon[{index}]", text, errors);
        BalloonConfig config = new()
        {
            TargetBytes = keys.TakeSize("target") ?? 0,
            StatisticsSeconds = keys.TakeNumber("stats", 0, 0, MostStatisticsSeconds),
            Reporting = keys.TakeSwitch("reporting"),
            DeflateOnOom = keys.TakeSwitch("deflate-on-oom"),
            Id = keys.Take("id") ?? $"balloon{index}",
            Transport = TransportKey.Take(keys),
        };
        keys.Finish();
        return config;
    }
}
