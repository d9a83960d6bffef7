using System.CommandLine;
using System.Globalization;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm rename</c>, <c>domid</c>, <c>domname</c>.</summary>
internal static class NameCommands
{
    public static Command Rename()
    {
        Argument<string> domain = DomainVerb.Domain();
        Argument<string> name = new("NAME") { Description = "The new name." };
        return DomainVerb.New("rename", "Give a domain another name.", result =>
        {
            DomainVerb.Tell(DomainVerb.Find(result.GetRequiredValue(domain)), (d, cancellation) => d.RenameAsync(result.GetRequiredValue(name), cancellation));
            return (int)ExitCode.Ok;
        }, domain, name);
    }

    public static Command DomainId()
    {
        Argument<string> domain = new("DOMAIN") { Description = "Its name." };
        return DomainVerb.New("domid", "Print the id of a domain.", result =>
        {
            string name = result.GetRequiredValue(domain);
            int id = DomainVerb.IsHost(name) ? 0 : DomainVerb.Find(name).Id;
            result.InvocationConfiguration.Output.WriteLine(id.ToString(CultureInfo.InvariantCulture));
            return (int)ExitCode.Ok;
        }, domain);
    }

    public static Command DomainName()
    {
        Argument<string> domain = new("DOMAIN") { Description = "Its id." };
        return DomainVerb.New("domname", "Print the name of a domain.", result =>
        {
            string id = result.GetRequiredValue(domain);
            result.InvocationConfiguration.Output.WriteLine(DomainVerb.IsHost(id) ? DomainVerb.HostName : DomainVerb.NameOf(DomainVerb.Find(id)));
            return (int)ExitCode.Ok;
        }, domain);
    }
}
