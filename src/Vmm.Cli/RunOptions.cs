using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Vmm.Core.Text;
using Vmm.Firmware.Boot;
using Vmm.Machine.Config;

namespace Vmm.Cli;

/// <summary>The options of <c>vmm run</c> and the configuration that they make. Every value is judged here, so that all mistakes read alike.</summary>
internal sealed class RunOptions
{
    private readonly Option<string> _kernel = Text("--kernel", "FILE", "The kernel: a bzImage or an ELF vmlinux.");
    private readonly Option<string?> _initrd = new("--initrd") { HelpName = "FILE", Description = "The initial ramdisk." };
    private readonly Option<string?> _append = new("--append")
    {
        HelpName = "TEXT",
        Description = $"The kernel's command line. [default: {BootConfig.DefaultCommandLine}]",
    };

    private readonly Option<string?> _memory = new("--memory") { HelpName = "SIZE", Description = "Guest RAM, with K, M or G. [default: 512M]" };
    private readonly Option<string?> _vcpus = new("--vcpus") { HelpName = "N", Description = "Number of vCPUs. [default: 1]" };
    private readonly Option<string?> _accel = new("--accel")
    {
        HelpName = "auto|kvm|software",
        Description = "Which CPU runs the guest; auto takes KVM where it is native ('vmm doctor' says). [default: auto]",
    };

    private readonly Option<string?> _cpu = new("--cpu")
    {
        HelpName = "MODEL[,+x,-y]",
        Description = "CPU model and features: host, x86-64-v1, x86-64-v2, x86-64-v3. [default: host on KVM, x86-64-v2 on the software CPU]",
    };

    private readonly Option<string[]> _serial = new("--serial")
    {
        HelpName = "WHERE",
        Description = $"A serial port, COM1 first, up to four: {SerialConfig.Forms}; log=FILE appends all output to a file, log-max=SIZE bounds it (the part before "
            + "is FILE.1). [default: stdio; none when a console is stdio]",
    };

    private readonly Option<string?> _debugConsole = new("--debug-console")
    {
        HelpName = "WHERE",
        Description = "Where what the guest writes to ports 0xe9 and 0x402 goes: file:PATH, append:PATH or null. [default: no such ports]",
    };

    private readonly Option<string?> _name = new("--name") { HelpName = "NAME", Description = "A name for people. [default: guest]" };
    private readonly Option<string?> _protocol = new("--protocol")
    {
        HelpName = "auto|linux64|pvh",
        Description = "How the kernel is entered. [default: auto]",
    };

    private readonly Option<bool> _noUnpack = new("--no-unpack")
    {
        Description = "Let a bzImage unpack itself in the guest (with KASLR) instead of on the host, which is faster.",
    };

    private readonly Option<string?> _onReboot = new("--on-reboot")
    {
        HelpName = "restart|exit",
        Description = "What follows when the guest resets the machine. [default: restart]",
    };

    private readonly Option<string?> _deviceModel = new("--device-model")
    {
        HelpName = "on|off",
        Description = "Whether a process of its own ('vmm device-model') serves the disks and network devices, but those that say process=off. It owns images and TAP "
            + "devices; when it dies, it is started again and the guest goes on. [default: off]",
    };

    private readonly Option<string?> _sandbox = new("--sandbox") { HelpName = "on|off", Description = SandboxHelp };

    private readonly DeviceOptions _devices = new();

    /// <summary>What is said of --sandbox here and there.</summary>
    public const string SandboxHelp = "Whether a process that serves devices is confined, once all is open, to what they need: no capabilities, no other files, "
        + "no other system calls. 'off' is for looking for faults. [default: on]";

    /// <summary>All of them, in the order of the help.</summary>
    public IEnumerable<Option> All => [_kernel, _initrd, _append, _memory, _vcpus, _accel, _cpu, _serial, _debugConsole, .. _devices.All, _deviceModel, _sandbox, _name, _protocol, _noUnpack, _onReboot];

    /// <summary>The configuration, or null and every mistake.</summary>
    public MachineConfig? Read(ParseResult result, out IReadOnlyList<ConfigError> errors)
    {
        List<ConfigError> found = [];
        MachineConfig config = new()
        {
            Name = result.GetValue(_name) ?? "guest",
            MemoryBytes = ReadSize(result.GetValue(_memory), found),
            Vcpus = ReadCount(result.GetValue(_vcpus), found),
            Accel = ReadChoice("accel", result.GetValue(_accel), found, ("auto", Accelerator.Auto), ("kvm", Accelerator.Kvm), ("software", Accelerator.Software)),
            Cpu = result.GetValue(_cpu),
            Serial = ReadSerial(result.GetValue(_serial), found),
            DebugConsole = ReadDebugConsole(result.GetValue(_debugConsole), found),
            OnReboot = ReadChoice("on-reboot", result.GetValue(_onReboot), found, ("restart", RebootPolicy.Restart), ("exit", RebootPolicy.Exit)),
            DeviceModel = ReadChoice("device-model", result.GetValue(_deviceModel), found, ("off", false), ("on", true)),
            Unconfined = ReadChoice("sandbox", result.GetValue(_sandbox), found, ("on", false), ("off", true)),
            Boot = new BootConfig
            {
                Kernel = result.GetValue(_kernel) ?? "",
                Initrd = result.GetValue(_initrd),
                CommandLine = result.GetValue(_append) ?? BootConfig.DefaultCommandLine,
                Protocol = ReadChoice("protocol", result.GetValue(_protocol), found,
                    ("auto", BootProtocol.Auto), ("linux64", BootProtocol.Linux64), ("pvh", BootProtocol.Pvh)),
                Unpack = !result.GetValue(_noUnpack),
            },
        };
        config = GiveTerminal(_devices.AddTo(config, result, found), result);
        // What could not be read has its error already; its stand-in value must not get another.
        errors = [.. found, .. ConfigValidator.Validate(config).Where(e => found.All(f => f.Path != e.Path))];
        return errors.Count == 0 ? config : null;
    }

    /// <summary>A console on standard input and output takes the place of the serial port that would be there, and the kernel is told.</summary>
    private MachineConfig GiveTerminal(MachineConfig config, ParseResult result)
    {
        bool isTaken = config.Console?.Ports.Any(port => port.End.Kind == SerialKind.Stdio) == true;
        if (!isTaken || result.GetValue(_serial) is { Length: > 0 }) return config;
        BootConfig boot = result.GetValue(_append) is null ? config.Boot with { CommandLine = BootConfig.VirtioCommandLine } : config.Boot;
        return config with { Serial = [], Boot = boot };
    }

    private static Option<string> Text(string name, string value, string description)
        => new(name) { HelpName = value, Description = description, Required = true };

    private static ulong ReadSize(string? text, List<ConfigError> errors)
    {
        if (text is null) return MachineConfig.DefaultMemoryBytes;
        if (!SizeText.TryParse(text, out ulong bytes)) errors.Add(new("memory", $"'{text}' is no size; 512M or 2G would be"));
        return bytes;
    }

    private static int ReadCount(string? text, List<ConfigError> errors)
    {
        if (text is null) return 1;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count)) return count;
        errors.Add(new("vcpus", $"'{text}' is not a number from 1 to {ConfigValidator.MostVcpus}"));
        return 1;
    }

    private static T ReadChoice<T>(string path, string? text, List<ConfigError> errors, params ReadOnlySpan<(string Name, T Value)> choices)
    {
        if (text is null) return choices[0].Value;
        if (WordChoice.Find(text, choices, out T value) is { } why) errors.Add(new(path, why));
        return value;
    }

    private static SerialConfig? ReadDebugConsole(string? text, List<ConfigError> errors)
    {
        if (text is null) return null;
        if (!SerialConfig.TryParse(text, out SerialConfig console)) errors.Add(new("debug-console", $"'{text}' is none of file:PATH, append:PATH, null"));
        return console;
    }

    private static ImmutableArray<SerialConfig> ReadSerial(string[]? texts, List<ConfigError> errors)
    {
        if (texts is null or { Length: 0 }) return [new SerialConfig(SerialKind.Stdio)];
        ImmutableArray<SerialConfig>.Builder ports = ImmutableArray.CreateBuilder<SerialConfig>(texts.Length);
        for (int i = 0; i < texts.Length; i++)
        {
            ports.Add(SerialConfig.Parse($"serial[{i}]", texts[i], errors));
        }

        return ports.ToImmutable();
    }
}
