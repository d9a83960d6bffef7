using Vmm.Devices.Virtio.Console;

namespace Vmm.Machine.Config;

/// <summary>A port of the virtio console device.</summary>
public sealed record ConsolePortConfig
{
    /// <summary>Its host end.</summary>
    public required SerialConfig End { get; init; }

    /// <summary>By which programs in the guest find it; null for a console, /dev/hvc0 the first.</summary>
    public string? Name { get; init; }

    /// <summary>Reads "unix:PATH,name=NAME,log=FILE".</summary>
    public static ConsolePortConfig Parse(int index, string text, List<ConfigError> errors)
    {
        SerialConfig end = SerialConfig.Parse($"console[{index}]", text, errors, out OptionText keys);
        ConsolePortConfig config = new() { End = end, Name = keys.Take("name") };
        keys.Finish();
        return config;
    }

    /// <summary>Finds what is wrong with its name.</summary>
    internal void Check(string path, List<ConfigError> errors)
    {
        if (Name is not { } name) return;
        bool isGood = name.Length is > 0 and <= VirtioConsolePort.MostNameBytes && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
        if (!isGood) errors.Add(new($"{path}.name", $"'{name}' is not 1 to {VirtioConsolePort.MostNameBytes} letters, digits, '-', '_' or '.'"));
    }
}
