using Vmm.Cli.Domains;
using Vmm.Cli.Networks;

namespace Vmm.Cli;

/// <summary>Every verb, in the order of the help.</summary>
internal static class Verbs
{
    public static IReadOnlyList<Verb> All { get; } =
    [
        new("run", RunCommand.Create),
        new("create", CreateCommand.Create, IsOfXl: true, KnowsDryRun: true),
        new("list", ListCommand.Create, IsOfXl: true),
        new("console", ConsoleCommand.Create, IsOfXl: true),
        new("pause", LifeCommands.Pause, IsOfXl: true),
        new("unpause", LifeCommands.Unpause, IsOfXl: true),
        new("save", SaveCommands.Save, IsOfXl: true),
        new("restore", SaveCommands.Restore, IsOfXl: true),
        new("shutdown", ShutdownCommands.Shutdown, IsOfXl: true),
        new("reboot", ShutdownCommands.Reboot, IsOfXl: true),
        new("destroy", LifeCommands.Destroy, IsOfXl: true),
        new("rename", NameCommands.Rename, IsOfXl: true),
        new("domid", NameCommands.DomainId, IsOfXl: true),
        new("domname", NameCommands.DomainName, IsOfXl: true),
        new("uptime", UptimeCommand.Create, IsOfXl: true),
        new("vm-list", ListCommand.CreateVmList, IsOfXl: true),
        new("vcpu-list", VcpuCommands.List, IsOfXl: true),
        new("vcpu-pin", VcpuCommands.Pin, IsOfXl: true),
        new("vcpu-set", VcpuCommands.Set, IsOfXl: true),
        new("mem-set", MemoryCommands.Set, IsOfXl: true),
        new("mem-max", MemoryCommands.Max, IsOfXl: true),
        new("block-attach", BlockCommands.Attach, IsOfXl: true, KnowsDryRun: true),
        new("block-detach", BlockCommands.Detach, IsOfXl: true),
        new("block-list", BlockCommands.List, IsOfXl: true),
        new("network-attach", NetworkCommands.Attach, IsOfXl: true, KnowsDryRun: true),
        new("network-detach", NetworkCommands.Detach, IsOfXl: true),
        new("network-list", NetworkCommands.List, IsOfXl: true),
        new("cd-insert", BlockCommands.CdInsert, IsOfXl: true),
        new("cd-eject", BlockCommands.CdEject, IsOfXl: true),
        new("top", TopCommand.Create, IsOfXl: true),
        new("dmesg", DmesgCommand.Create, IsOfXl: true),
        new("info", InfoCommand.Create, IsOfXl: true),
        new("trigger", TriggerCommand.Create, IsOfXl: true),
        new("sysrq", LifeCommands.Sysrq, IsOfXl: true),
        new("dump-core", LifeCommands.DumpCore, IsOfXl: true),
        new("clone", CloneCommand.Create),
        new("autostart", AutostartCommand.Create),
        new("device-model", DeviceModelCommand.Create),
        new("domain-host", DomainHostCommand.Create),
        new("doctor", DoctorCommand.Create),
        new("network", NetworkCommand.Create),
        new("image", ImageCommand.Create) { BadArguments = ImageCommand.BadArguments },
        new("kernel", KernelCommand.Create),
        new("version", VersionCommand.Create),
        new("help", HelpCommand.Create, IsOfXl: true),
    ];

    /// <summary>Those that are there under the name by which this was called.</summary>
    public static IEnumerable<Verb> OfThisFace => Face.IsXl ? All.Where(verb => verb.IsOfXl) : All;
}
