using System.CommandLine;
using System.Reflection;

namespace Vmm.Cli;

/// <summary><c>vmm version</c>.</summary>
internal static class VersionCommand
{
    public static Command Create()
    {
        Command command = new("version", "Print the version.");
        command.SetAction(result =>
        {
            string version = typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
            result.InvocationConfiguration.Output.WriteLine($"vmm {version}");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
