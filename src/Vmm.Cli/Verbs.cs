using Vmm.Cli.Domains;

namespace Vmm.Cli;

/// <summary>Every verb, in the order of the help.</summary>
internal static class Verbs
{
    public static IReadOnlyList<Verb> All { get; } =
    [
        new("run", RunCommand.Create),
        new("create", CreateCommand.Create, IsOfXl: true),
        new("list", ListCommand.Create, IsOfXl: true),
        new("console", ConsoleCommand.Create, IsOfXl: true),
        new("pause", LifeCommands.Pause, IsOfXl: true),
        new("unpause", LifeCommands.Unpause, IsOfXl: true),
        new("destroy", LifeCommands.Destroy, IsOfXl: true),
        new("rename", NameCommands.Rename, IsOfXl: true),
        new("domid", NameCommands.DomainId, IsOfXl: true),
        new("domname", NameCommands.DomainName, IsOfXl: true),
        new("uptime", UptimeCommand.Create, IsOfXl: true),
        new("vm-list", ListCommand.CreateVmList, IsOfXl: true),
        new("domain-host", DomainHostCommand.Create),
        new("doctor", DoctorCommand.Create),
        new("image", ImageCommand.Create),
        new("kernel", KernelCommand.Create),
        new("version", VersionCommand.Create),
    ];
}
