using System.Collections.Immutable;
using Vmm.Control.Domains;
using Vmm.Core.Text;
using Vmm.Machine.Config;

namespace Vmm.Control.Xl;

/// <summary>Makes a domain of a configuration: every key is used, or refused, or named as one without effect.</summary>
public sealed partial class XlDomain
{
    private const ulong BytesPerMegabyte = 1 << 20;
    private const long MostMegabytes = 1L << 40;
    private const string BalloonId = "balloon";
    private const int MostWarnings = 200;
    private const string SoftReset = "soft-reset";

    private static readonly Dictionary<string, DomainAction> Actions = new(StringComparer.Ordinal)
    {
        ["destroy"] = DomainAction.Destroy,
        ["restart"] = DomainAction.Restart,
        ["preserve"] = DomainAction.Preserve,
        ["rename-restart"] = DomainAction.RenameRestart,
        ["coredump-destroy"] = DomainAction.CoredumpDestroy,
        ["coredump-restart"] = DomainAction.CoredumpRestart,
    };

    // Where a device of the machine stands in the file: "disk[0]".
    private readonly Dictionary<string, XlPosition> _places = new(StringComparer.Ordinal);
    private readonly XlDocument _document;
    private readonly string _file;
    private readonly List<XlError> _errors = [];
    private readonly List<XlError> _warnings = [];

    private XlDomain(XlDocument document, string file) => (_document, _file) = (document, file);

    /// <summary>Makes it.</summary>
    /// <param name="document">What was read without mistakes.</param>
    /// <param name="file">The file's name, for what has no place in it.</param>
    /// <param name="errors">Every mistake; empty when there is a result.</param>
    /// <param name="warnings">Keys that are unknown or without effect.</param>
    public static DomainConfig? Build(XlDocument document, string file, out IReadOnlyList<XlError> errors, out IReadOnlyList<XlError> warnings)
    {
        XlDomain domain = new(document, file);
        DomainConfig config = domain.Build();
        (errors, warnings) = (domain._errors, domain._warnings);
        return errors.Count == 0 ? config : null;
    }

    private DomainConfig Build()
    {
        foreach (XlSetting setting in _document.Settings.OrderBy(s => s.Position.Line)) Judge(setting);
        CheckType();
        CheckUnused();
        string name = Text("name") ?? "";
        if (name.Length == 0) Fail("name", "a name is needed: name = \"vm000\"");
        (ulong memory, ulong balloon) = Memory();
        ImmutableArray<DiskConfig> disks = Disks();
        DomainConfig config = new()
        {
            Name = name,
            Uuid = Uuid(),
            VcpuAffinity = Affinity(),
            OnPowerOff = Action("on_poweroff", DomainAction.Destroy),
            OnReboot = Action("on_reboot", DomainAction.Restart),
            OnCrash = Action("on_crash", DomainAction.Destroy),
            Machine = new MachineConfig
            {
                Name = name,
                Vcpus = (int)Math.Clamp(Number("vcpus") ?? 1, int.MinValue, int.MaxValue),
                Accel = Choice("vmm_accel", ("auto", Accelerator.Auto), ("kvm", Accelerator.Kvm), ("software", Accelerator.Software)),
                Cpu = Text("vmm_cpu"),
                DeviceModel = Choice("vmm_device_model", ("process", true), ("inside", false)),
                MemoryBytes = memory,
                Boot = Boot(),
                Serial = Serial(),
                Disks = disks,
                Nets = Vifs(name),
                Shares = Shares(),
                Balloons = [new BalloonConfig { Id = BalloonId, TargetBytes = balloon }],
            },
        };
        config = config with { Machine = WithFurther(config.Machine) };
        WarnOfNames(config.Machine.Boot.CommandLine, disks);
        foreach (ConfigError error in ConfigValidator.Validate(config.Machine, hasTerminal: false))
        {
            // What is missing or cannot be read has its error already.
            if (error.Path is not ("kernel" or "name") || _errors.Count == 0) Fail(KeyOf(error.Path), PlaceOf(error.Path), $"{error.Path}: {error.Why}");
        }

        return config;
    }

    private void Judge(XlSetting setting)
    {
        XlKey? key = XlKeys.Find(setting.Key);
        if (key is null && _warnings.Count < MostWarnings) Warn(setting, $"there is no key '{setting.Key}'; did you mean '{Spelling.Nearest(setting.Key, XlKeys.All.Select(k => k.Name))}'?");
        else if (key is null) return;
        else if (IsPointer(setting)) Warn(setting, $"'{key.Name}' has no effect: there is no display");
        else if (key.Use == XlKeyUse.NoEffect) Warn(setting, $"'{key.Name}' has no effect: {key.Why}");
        else if (key.Name == "cpuid" && setting.Value is XlText { Value: "host" }) return;
        else if (key.Use == XlKeyUse.Refused && setting.Value is not (XlList { Items.IsEmpty: true } or XlText { Value: "" } or XlNumber { Value: 0 }))
            _errors.Add(new(setting.File, setting.Position, $"'{key.Name}' is refused: {key.Why}"));
    }

    // Nearly every file of an HVM guest asks for a tablet, which serves a display and nothing else.
    private static bool IsPointer(XlSetting setting)
    {
        if (setting.Key != "usbdevice") return false;
        IEnumerable<XlValue> values = setting.Value is XlList list ? list.Items : [setting.Value];
        return values.Any() && values.All(v => v is XlText { Value: "tablet" or "mouse" or "keyboard" });
    }

    private void CheckType()
    {
        string? type = Text("type"), builder = Text("builder");
        if (type == "pv" || builder is "linux") Fail(type == "pv" ? "type" : "builder", "paravirtualized guests need Xen itself; take type=\"pvh\", with the same kernel");
        else if (type is not (null or "hvm" or "pvh")) Fail("type", $"'{type}' is none of hvm, pvh");
        else if (builder is not (null or "hvm" or "generic")) Fail("builder", $"'{builder}' is none of hvm, generic");
    }

    /// <summary>What has no effect has to be right all the same.</summary>
    private void CheckUnused()
    {
        string[] events = ["on_watchdog", "on_soft_reset"];
        foreach (string key in events)
        {
            if (Text(key) is { } text && text != SoftReset && !Actions.ContainsKey(text)) Fail(key, $"'{text}' is none of {string.Join(", ", Actions.Keys)}, {SoftReset}");
        }

        if (Text("cmdline") is null) return;
        foreach (string key in (string[])["root", "extra"])
        {
            if (_document.Find(key) is { } setting) Warn(setting, $"'{key}' has no effect beside 'cmdline'");
        }
    }

    /// <summary>The guest has the most that it may ever have, and a balloon that takes what it shall not have now.</summary>
    private (ulong Bytes, ulong Balloon) Memory()
    {
        ulong least = Number("memory") is { } megabytes ? Bytes(megabytes) : MachineConfig.DefaultMemoryBytes;
        if (Number("maxmem") is not { } most) return (least, 0);
        if (Bytes(most) >= least) return (Bytes(most), Bytes(most) - least);
        Fail("maxmem", $"maxmem {most} is less than memory, {least / BytesPerMegabyte}");
        return (least, 0);
    }

    private static ulong Bytes(long megabytes) => (ulong)Math.Clamp(megabytes, 0, MostMegabytes) * BytesPerMegabyte;

    private BootConfig Boot()
    {
        string? kernel = Text("kernel");
        // xm's files of HVM guests name the firmware here.
        if (kernel is null || System.IO.Path.GetFileName(kernel) == "hvmloader") Fail("kernel", "a kernel is needed; starting from a disk by firmware is not there yet");
        string? commandLine = Text("cmdline") ?? (Text("root") is { } root ? $"root={root} {Text("extra")}".TrimEnd() : Text("extra"));
        return new BootConfig { Kernel = kernel ?? "", Initrd = Text("ramdisk"), CommandLine = commandLine ?? BootConfig.DefaultCommandLine };
    }

    private Guid Uuid()
    {
        if (Text("uuid") is not { } text) return Guid.NewGuid();
        if (Guid.TryParse(text, out Guid uuid)) return uuid;
        Fail("uuid", $"'{text}' is no UUID");
        return Guid.Empty;
    }

    private DomainAction Action(string key, DomainAction otherwise)
    {
        if (Text(key) is not { } text) return otherwise;
        if (Actions.TryGetValue(text, out DomainAction action)) return action;
        Fail(key, text == SoftReset ? "'soft-reset' is refused: it resets what a guest has from the Xen hypervisor" : $"'{text}' is none of {string.Join(", ", Actions.Keys)}");
        return otherwise;
    }
}
