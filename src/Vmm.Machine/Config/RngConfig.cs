namespace Vmm.Machine.Config;

/// <summary>A virtio entropy device, fed by the host's kernel.</summary>
public sealed record RngConfig : DeviceConfig
{
    /// <inheritdoc/>
    internal override string Kind => "rng";

    /// <inheritdoc/>
    internal override void Check(string path, List<ConfigError> errors) { }

    /// <summary>Reads "id=…"; nothing is needed.</summary>
    public static RngConfig Parse(int index, string text, List<ConfigError> errors)
    {
        OptionText keys = new($"rng[{index}]", text, errors);
        RngConfig config = new() { Id = keys.Take("id") ?? $"rng{index}", Transport = TransportKey.Take(keys) };
        keys.Finish();
        return config;
    }
}
