namespace Vmm.Machine.Config;

/// <summary>The kinds of devices that can be added to a machine that is there, by the names of their command-line options.</summary>
public static class DeviceKinds
{
    private static readonly Dictionary<string, Func<int, string, List<ConfigError>, DeviceConfig>> Parsers = new()
    {
        ["disk"] = DiskConfig.Parse,
        ["net"] = NetConfig.Parse,
        ["rng"] = RngConfig.Parse,
        ["balloon"] = BalloonConfig.Parse,
        ["vsock"] = VsockConfig.Parse,
        ["share"] = ShareConfig.Parse,
        ["vhost-user"] = VhostUserConfig.Parse,
        ["console"] = (index, text, errors) => new ConsoleConfig { Id = $"console{index}", Ports = [ConsolePortConfig.Parse(index, text, errors)] },
    };

    /// <summary>Their names.</summary>
    public static IEnumerable<string> All => Parsers.Keys;

    /// <summary>Reads a device as it stands behind its option.</summary>
    /// <param name="kind">The option's name.</param>
    /// <param name="index">The number for a device that names no id.</param>
    /// <param name="text">The words.</param>
    /// <param name="errors">Takes the mistakes.</param>
    /// <returns>Null when there is no such kind.</returns>
    public static DeviceConfig? Parse(string kind, int index, string text, List<ConfigError> errors)
        => Parsers.TryGetValue(kind, out Func<int, string, List<ConfigError>, DeviceConfig>? parse) ? parse(index, text, errors) : null;
}
