using System.Collections.Immutable;
using Vmm.Control.Domains;
using Vmm.Core.Text;
using Vmm.Machine.Config;

namespace Vmm.Control.Xl;

/// <summary>Makes a domain of a configuration: every key is used, or refused, or named as one without effect.</summary>
public sealed class XlDomain
{
    private const ulong BytesPerMegabyte = 1 << 20;
    private const long MostMegabytes = 1L << 40;

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
        string name = Text("name") ?? "";
        if (name.Length == 0) Fail("name", "a name is needed: name = \"vm000\"");
        DomainConfig config = new()
        {
            Name = name,
            Uuid = Uuid(),
            OnPowerOff = Action("on_poweroff", DomainAction.Destroy),
            OnReboot = Action("on_reboot", DomainAction.Restart),
            OnCrash = Action("on_crash", DomainAction.Destroy),
            Machine = new MachineConfig
            {
                Name = name,
                Vcpus = (int)Math.Clamp(Number("vcpus") ?? 1, int.MinValue, int.MaxValue),
                MemoryBytes = Number("memory") is { } megabytes ? (ulong)Math.Clamp(megabytes, 0, MostMegabytes) * BytesPerMegabyte : MachineConfig.DefaultMemoryBytes,
                Boot = Boot(),
                Disks = [.. Disks()],
            },
        };
        foreach (ConfigError error in ConfigValidator.Validate(config.Machine))
        {
            // What is missing or cannot be read has its error already.
            if (error.Path is not ("kernel" or "name") || _errors.Count == 0) Fail(KeyOf(error.Path), $"{error.Path}: {error.Why}");
        }

        return config;
    }

    private void Judge(XlSetting setting)
    {
        XlKey? key = XlKeys.Find(setting.Key);
        if (key is null) Warn(setting, $"there is no key '{setting.Key}'; did you mean '{Spelling.Nearest(setting.Key, XlKeys.All.Select(k => k.Name))}'?");
        else if (key.Use == XlKeyUse.NoEffect) Warn(setting, $"'{key.Name}' has no effect: {key.Why}");
        else if (key.Use == XlKeyUse.Refused && setting.Value is not (XlList { Items.IsEmpty: true } or XlText { Value: "" } or XlNumber { Value: 0 }))
            _errors.Add(new(setting.File, setting.Position, $"'{key.Name}' is refused: {key.Why}"));
    }

    private void CheckType()
    {
        string? type = Text("type"), builder = Text("builder");
        if (type == "pv" || builder is "linux") Fail(type == "pv" ? "type" : "builder", "paravirtualized guests need Xen itself; take type=\"pvh\", with the same kernel");
        else if (type is not (null or "hvm" or "pvh")) Fail("type", $"'{type}' is none of hvm, pvh");
        else if (builder is not (null or "hvm" or "generic")) Fail("builder", $"'{builder}' is none of hvm, generic");
    }

    private BootConfig Boot()
    {
        string? kernel = Text("kernel");
        // xm's files of HVM guests name the firmware here.
        if (kernel is null || System.IO.Path.GetFileName(kernel) == "hvmloader") Fail("kernel", "a kernel is needed; starting from a disk by firmware is not there yet");
        string? commandLine = Text("cmdline") ?? (Text("root") is { } root ? $"root={root} {Text("extra")}".TrimEnd() : Text("extra"));
        return new BootConfig { Kernel = kernel ?? "", Initrd = Text("ramdisk"), CommandLine = commandLine ?? BootConfig.DefaultCommandLine };
    }

    private IEnumerable<DiskConfig> Disks()
    {
        List<(XlDiskSpec Spec, DiskConfig Disk)> disks = [];
        HashSet<int> places = [];
        foreach (XlValue item in Items("disk"))
        {
            if (item is not XlText text)
            {
                Fail("disk", item.Position, $"an entry is a text, not {item.Kind}");
                continue;
            }

            XlDiskSpec? spec = XlDiskParser.Parse(text.Value, out string? error);
            error ??= spec switch
            {
                { IsCdrom: true } => "there are no CD drives yet",
                { Script: not null } => "hook scripts of disks are not there yet",
                { Backend: not (null or "0" or "Domain-0") } => "disks are served by Domain-0 only",
                _ when !places.Add(spec!.Device.Number) => $"'{spec.Device.Name}' is another disk's place",
                _ => null,
            };
            if (error is not null) Fail("disk", item.Position, error);
            else disks.Add((spec!, DiskOf(spec!)));
        }

        return disks.OrderBy(d => d.Spec.Device.Number).Select(d => d.Disk);
    }

    private static DiskConfig DiskOf(XlDiskSpec spec) => new()
    {
        Id = spec.Device.Name,
        Path = spec.Target ?? "",
        Format = spec.Format == "vhd" ? "vpc" : spec.Format,
        ReadOnly = spec.IsReadOnly,
    };

    private Guid Uuid()
    {
        if (Text("uuid") is not { } text) return Guid.NewGuid();
        if (Guid.TryParse(text, out Guid uuid)) return uuid;
        Fail("uuid", $"'{text}' is no UUID");
        return Guid.Empty;
    }

    private DomainAction Action(string key, DomainAction otherwise)
    {
        switch (Text(key))
        {
            case null:
                return otherwise;
            case "destroy":
                return DomainAction.Destroy;
            case "restart":
                return DomainAction.Restart;
            case "preserve":
                return DomainAction.Preserve;
            case "rename-restart" or "coredump-destroy" or "coredump-restart" or "soft-reset":
                Fail(key, $"'{Text(key)}' is not there yet; destroy, restart and preserve are");
                return otherwise;
            case { } text:
                Fail(key, $"'{text}' is none of destroy, restart, preserve");
                return otherwise;
        }
    }

    private string? Text(string key)
    {
        switch (_document.Find(key)?.Value)
        {
            case null or XlText { Value: "" }:
                return null;
            case XlText text:
                return text.Value;
            case XlValue other:
                Fail(key, other.Position, $"'{key}' is a text in quotes, not {other.Kind}");
                return null;
        }
    }

    private long? Number(string key)
    {
        switch (_document.Find(key)?.Value)
        {
            case null:
                return null;
            case XlNumber number:
                return number.Value;
            // xm's files hold numbers in quotes, too.
            case XlText text when long.TryParse(text.Value, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out long value):
                return value;
            case XlValue other:
                Fail(key, other.Position, $"'{key}' is a number, not {other.Kind}");
                return null;
        }
    }

    private ImmutableArray<XlValue> Items(string key)
    {
        switch (_document.Find(key)?.Value)
        {
            case null:
                return [];
            case XlList list:
                return list.Items;
            case XlValue other:
                Fail(key, other.Position, $"'{key}' is a list, not {other.Kind}");
                return [];
        }
    }

    private static string KeyOf(string path) => path.Split('[', '.')[0] switch { "vcpus" => "vcpus", "memory" => "memory", "disk" => "disk", _ => "kernel" };

    private void Fail(string key, string why) => Fail(key, null, why);

    private void Fail(string key, XlPosition? position, string why)
    {
        XlSetting? setting = _document.Find(key);
        XlError error = new(setting?.File ?? _file, position ?? setting?.Value.Position ?? new(1, 1), why);
        if (!_errors.Contains(error)) _errors.Add(error);
    }

    private void Warn(XlSetting setting, string why) => _warnings.Add(new(setting.File, setting.Position, why));
}
