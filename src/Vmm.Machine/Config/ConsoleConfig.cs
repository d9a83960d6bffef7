using System.Collections.Immutable;
using Vmm.Devices.Virtio.Console;

namespace Vmm.Machine.Config;

/// <summary>A virtio console device with its ports.</summary>
public sealed record ConsoleConfig : DeviceConfig
{
    /// <summary>The ports; consoles take the numbers before named ports.</summary>
    public required ImmutableArray<ConsolePortConfig> Ports { get; init; }

    /// <inheritdoc/>
    internal override string Kind => "console";

    /// <inheritdoc/>
    internal override void Check(string path, List<ConfigError> errors)
    {
        if (Ports.Length is < 1 or > VirtioConsole.MostPorts) errors.Add(new("console", $"{Ports.Length} ports are not from 1 to {VirtioConsole.MostPorts}"));
        for (int i = 0; i < Ports.Length; i++)
        {
            Ports[i].Check($"console[{i}]", errors);
            if (Ports[i].Name is { } name && Ports.Take(i).Any(port => port.Name == name)) errors.Add(new($"console[{i}].name", $"'{name}' is another port's name"));
        }
    }

    /// <inheritdoc/>
    public bool Equals(ConsoleConfig? other) => other is not null && Id == other.Id && Ports.SequenceEqual(other.Ports);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Id, Ports.Length);
}
