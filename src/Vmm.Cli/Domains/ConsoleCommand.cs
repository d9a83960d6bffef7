using System.CommandLine;
using Vmm.Control.Domains;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm console</c>.</summary>
internal static class ConsoleCommand
{
    public static Command Create()
    {
        Option<int> number = new("--num", "-n") { HelpName = "N", Description = "The serial port, COM1 is 0." };
        Option<string?> escape = new("--escape", "-e") { HelpName = "^C", Description = "The character that leaves, as ^A to ^_. [default: ^]]" };
        Argument<string> domain = DomainVerb.Domain();
        return DomainVerb.New("console", "Connect this terminal to a domain's console: what came before is shown, Ctrl-] leaves.", result =>
        {
            string text = result.GetValue(escape) ?? "^]";
            if (text is not ['^', >= '@' and <= '_' and char key]) throw new DomainException($"'{text}' is no character that leaves; ^] or ^A would be");
            return ConsoleClient.Run(DomainVerb.Find(result.GetRequiredValue(domain)), result.GetValue(number), (byte)(key & ConsoleClient.ControlMask));
        }, number, escape, domain);
    }
}
