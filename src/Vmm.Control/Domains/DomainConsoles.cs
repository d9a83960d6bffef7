using System.Collections.Immutable;
using Vmm.Machine.Config;

namespace Vmm.Control.Domains;

/// <summary>Where the serial ports and consoles of a domain end: it has no terminal of its own, but a folder with sockets.</summary>
internal static class DomainConsoles
{
    private const ulong LogBytes = 4UL << 20;
    private const string ConsoleKey = "console=", Virtio = "hvc", SerialPort = "ttyS";

    /// <summary>
    /// The machine with its lines put into the folder: the first serial port becomes the socket of the domain's console, if it would be a terminal;
    /// what it says is logged. Other ports that would be terminals get sockets of their own.
    /// </summary>
    public static MachineConfig Place(MachineConfig config, DomainFolder folder)
    {
        ImmutableArray<SerialConfig> serial = config.Serial.IsDefaultOrEmpty ? [new SerialConfig(SerialKind.Stdio)] : config.Serial;
        return config with
        {
            Serial = [.. serial.Select((end, i) => PlaceSerial(end, i, folder))],
            Console = config.Console is { } console ? console with { Ports = [.. console.Ports.Select((port, i) => port with { End = Place(port.End, $"hvc{i}", folder) })] } : null,
        };
    }

    /// <summary>The name of the console that the guest takes for its own, by its kernel's command line.</summary>
    public static string NameFor(string commandLine)
    {
        // Linux's /dev/console is the last one named.
        string? last = commandLine.Split(' ').LastOrDefault(word => word.StartsWith(ConsoleKey, StringComparison.Ordinal))?[ConsoleKey.Length..].Split(',')[0];
        return last switch
        {
            _ when last?.StartsWith(Virtio, StringComparison.Ordinal) == true => last,
            _ when last?.StartsWith(SerialPort, StringComparison.Ordinal) == true => $"serial{last[SerialPort.Length..]}",
            _ => "serial0",
        };
    }

    private static SerialConfig PlaceSerial(SerialConfig end, int index, DomainFolder folder)
    {
        if (index != 0) return Place(end, $"serial{index}", folder);
        SerialConfig placed = end.Kind is SerialKind.Stdio or SerialKind.Pty ? end with { Kind = SerialKind.Unix, Path = folder.Console } : end;
        return placed.Log is null ? placed with { Log = folder.ConsoleLog, LogMaxBytes = LogBytes } : placed;
    }

    private static SerialConfig Place(SerialConfig end, string name, DomainFolder folder)
        => end.Kind == SerialKind.Stdio ? end with { Kind = SerialKind.Unix, Path = Path.Combine(folder.Path, name) } : end;
}
