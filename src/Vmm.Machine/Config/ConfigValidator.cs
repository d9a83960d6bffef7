using System.Collections.Immutable;
using Vmm.Core.Hypervisor.Cpuid;
using Vmm.Core.Memory;

namespace Vmm.Machine.Config;

/// <summary>Finds what is wrong with a configuration, all of it at once. What only the host can answer (files, /dev/kvm) is not asked here.</summary>
public static class ConfigValidator
{
    /// <summary>The least RAM that anything can be started in.</summary>
    public const ulong LeastMemoryBytes = 4UL << 20;

    /// <summary>The most RAM: what the host layer maps.</summary>
    public const ulong MostMemoryBytes = Host.MappedMemory.MaximumBytes;

    /// <summary>The most vCPUs: what 8-bit APIC ids name beside the broadcast.</summary>
    public const int MostVcpus = 255;

    /// <summary>COM1 to COM4.</summary>
    public const int MostSerialPorts = 4;

    /// <summary>The most devices: places on the PCI bus beside the host bridge.</summary>
    public const int MostDevices = 31;

    // A second one would have no meaning for a guest.
    internal static readonly string[] OneAtMost = ["vsock", "balloon"];

    private const int NameMaxLength = 64;

    /// <summary>Every mistake; empty when the machine can be built.</summary>
    /// <param name="config">The machine.</param>
    /// <param name="hasTerminal">Whether it runs in a terminal, which one line can have; a domain's lines end in sockets instead.</param>
    public static IReadOnlyList<ConfigError> Validate(MachineConfig config, bool hasTerminal = true)
    {
        List<ConfigError> errors = [];
        CheckName(config.Name, errors);
        CheckMemory(config.MemoryBytes, errors);
        if (config.Vcpus is < 1 or > MostVcpus) errors.Add(new("vcpus", $"{config.Vcpus} is not from 1 to {MostVcpus}"));
        if (config.Cpu is not null && !CpuModel.TryParse(config.Cpu, out _, out string? error)) errors.Add(new("cpu", error));
        if (string.IsNullOrEmpty(config.Boot.Kernel)) errors.Add(new("kernel", "a kernel is needed"));
        if (config.Boot.Initrd is "") errors.Add(new("initrd", "the path is empty"));
        CheckLines(config, hasTerminal, errors);
        CheckDevices(config.Devices, errors);
        CheckTags(config.Shares, errors);
        return errors;
    }

    /// <summary>Every mistake of one device; empty when it can be made.</summary>
    public static IReadOnlyList<ConfigError> Validate(DeviceConfig device)
    {
        List<ConfigError> errors = [];
        CheckDevices([device], errors);
        return errors;
    }

    /// <summary>Every mistake of some devices of a machine.</summary>
    public static IReadOnlyList<ConfigError> ValidateDevices(IEnumerable<DeviceConfig> devices)
    {
        List<ConfigError> errors = [];
        CheckDevices(devices, errors);
        return errors;
    }

    private static void CheckTags(ImmutableArray<ShareConfig> shares, List<ConfigError> errors)
    {
        for (int i = 0; i < shares.Length; i++)
        {
            if (shares.Take(i).Any(s => s.Tag == shares[i].Tag)) errors.Add(new($"share[{i}].tag", $"'{shares[i].Tag}' is another share's tag"));
        }
    }

    private static void CheckDevices(IEnumerable<DeviceConfig> devices, List<ConfigError> errors)
    {
        HashSet<string> ids = [];
        Dictionary<string, int> counts = [];
        foreach (DeviceConfig device in devices)
        {
            int index = counts.GetValueOrDefault(device.Kind);
            counts[device.Kind] = index + 1;
            string path = $"{device.Kind}[{index}]";
            if (!IsPlain(device.Id)) errors.Add(new($"{path}.id", NotPlain(device.Id)));
            else if (!ids.Add(device.Id)) errors.Add(new($"{path}.id", $"'{device.Id}' is another device's id"));
            device.Check(path, errors);
        }

        foreach (string kind in OneAtMost)
        {
            if (counts.GetValueOrDefault(kind) > 1) errors.Add(new($"{kind}[1]", "a guest has one of these at most"));
        }

        if (counts.Values.Sum() > MostDevices) errors.Add(new("devices", $"{counts.Values.Sum()} are more than the {MostDevices} places on the PCI bus"));
    }

    private static bool IsPlain(string name) => name.Length is > 0 and <= NameMaxLength && char.IsAsciiLetterOrDigit(name[0])
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    private static string NotPlain(string name)
        => $"'{name}' is not 1 to {NameMaxLength} letters, digits, '-', '_' or '.', beginning with a letter or digit";

    private static void CheckName(string name, List<ConfigError> errors)
    {
        if (!IsPlain(name)) errors.Add(new("name", NotPlain(name)));
    }

    private static void CheckMemory(ulong bytes, List<ConfigError> errors)
    {
        string size = SizeText.Format(bytes);
        if (bytes is > 0 and < 64 << 10) errors.Add(new("memory", $"{bytes} bytes are too few; did you mean {bytes}M?"));
        else if (bytes < LeastMemoryBytes) errors.Add(new("memory", $"{size} is less than {SizeText.Format(LeastMemoryBytes)}"));
        else if (bytes > MostMemoryBytes) errors.Add(new("memory", $"{size} is more than {SizeText.Format(MostMemoryBytes)}"));
        else if (bytes % GuestAddress.PageSize != 0) errors.Add(new("memory", $"{size} is not a multiple of 4K"));
    }

    /// <summary>The host ends of all lines, each alone and against those before it.</summary>
    private static void CheckLines(MachineConfig config, bool hasTerminal, List<ConfigError> errors)
    {
        if (config.Serial.Length > MostSerialPorts) errors.Add(new("serial", $"{config.Serial.Length} ports are more than {MostSerialPorts}"));
        List<(string Path, SerialConfig End)> lines = [.. config.Serial.Select((end, i) => ($"serial[{i}]", end))];
        if (config.Console is { } console) lines.AddRange(console.Ports.Select((port, i) => ($"console[{i}]", port.End)));
        if (config.DebugConsole is { } debug)
        {
            lines.Add(("debug-console", debug));
            bool isOneWay = debug.Kind is SerialKind.File or SerialKind.Append or SerialKind.Null;
            if (!isOneWay) errors.Add(new("debug-console", "takes no input, so it goes to file:PATH, append:PATH or null"));
        }

        for (int i = 0; i < lines.Count; i++)
        {
            (string path, SerialConfig end) = lines[i];
            end.Check(path, errors);
            int same = lines.FindIndex(line => line.End.Collides(end, hasTerminal));
            if (same >= 0 && same < i) errors.Add(new(path, $"uses the same terminal, file or socket as {lines[same].Path}"));
        }
    }
}
