using System.CommandLine;
using Vmm.Control.Domains;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm dmesg</c>: the logs of domains.</summary>
internal static class DmesgCommand
{
    public static Command Create()
    {
        Argument<string[]> names = DomainVerb.Domains();
        return DomainVerb.New("dmesg", "Print what the processes of domains have logged: what xl shows of the hypervisor, here for each domain.", result =>
        {
            string[] asked = result.GetValue(names) ?? [];
            DomainFolder[] folders = asked.Length == 0 ? [.. DomainVerb.Registry().List()] : [.. asked.Select(DomainVerb.Find)];
            foreach (DomainFolder folder in folders) Print(folder, folders.Length == 1 ? "" : $"{DomainVerb.NameOf(folder)}: ", result.InvocationConfiguration.Output);
            return (int)ExitCode.Ok;
        }, names);
    }

    private static void Print(DomainFolder folder, string prefix, TextWriter output)
    {
        foreach (string path in (ReadOnlySpan<string>)[$"{folder.Log}.1", folder.Log])
        {
            try
            {
                foreach (string line in File.ReadLines(path)) output.WriteLine(prefix + line);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // There is none, or the domain has just ended.
            }
        }
    }
}
