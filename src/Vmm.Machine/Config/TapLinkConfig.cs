using System.Collections.Immutable;
using System.Globalization;
using Vmm.Host.Net;

namespace Vmm.Machine.Config;

/// <summary>A TAP device of the host.</summary>
public sealed record TapLinkConfig : NetLinkConfig
{
    /// <summary>The interface, made when it is not there; null for a new one.</summary>
    public string? InterfaceName { get; init; }

    /// <summary>Open descriptors instead, one for each queue.</summary>
    public ImmutableArray<int> Descriptors { get; init; } = [];

    /// <summary>The bridge that it joins.</summary>
    public string? Bridge { get; init; }

    /// <inheritdoc/>
    internal override void Check(string path, NetConfig net, List<ConfigError> errors)
    {
        CheckName($"{path}.ifname", InterfaceName, errors);
        CheckName($"{path}.bridge", Bridge, errors);
        if (InterfaceName is not null && !Descriptors.IsEmpty) errors.Add(new($"{path}.fd", "an open descriptor has its name already: give ifname or fd"));
        if (Descriptors.Distinct().Count() != Descriptors.Length) errors.Add(new($"{path}.fd", "one descriptor is one queue: none can be there twice"));
        if (Descriptors.Any(fd => fd <= 2)) errors.Add(new($"{path}.fd", "0, 1 and 2 are standard input, output and error"));
        if (!Descriptors.IsEmpty && net.Queues != Descriptors.Length) errors.Add(new($"{path}.queues", $"{net.Queues} are not the {Descriptors.Length} descriptors"));
    }

    /// <summary>Takes "ifname", "fd", "bridge" and "script".</summary>
    internal static TapLinkConfig Take(OptionText keys)
    {
        // Known from elsewhere: what a script did there, the key bridge does here.
        if (keys.Take("script") is { } script && script != "no") keys.Refuse("script", "no scripts are run: use bridge=NAME, or make the TAP device before (ip tuntap add)");
        return new TapLinkConfig
        {
            InterfaceName = keys.Take("ifname"),
            Bridge = keys.Take("bridge"),
            Descriptors = TakeDescriptors(keys),
        };
    }

    private static ImmutableArray<int> TakeDescriptors(OptionText keys)
    {
        if (keys.Take("fd") is not { } text) return [];
        List<int> numbers = [];
        foreach (string part in text.Split(':'))
        {
            if (int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number)) numbers.Add(number);
            else keys.Refuse("fd", $"'{part}' is no number of a descriptor; several stand like 3:4:5");
        }

        return [.. numbers];
    }

    private static void CheckName(string path, string? name, List<ConfigError> errors)
    {
        bool isGood = name is null || (name.Length is > 0 and <= TapQueue.MostNameBytes && name.All(c => c is > ' ' and < (char)127 and not '/' and not ':' and not '%'));
        if (!isGood) errors.Add(new(path, $"'{name}' is no name for an interface: 1 to {TapQueue.MostNameBytes} characters without spaces, '/', ':' and '%'"));
    }
}
