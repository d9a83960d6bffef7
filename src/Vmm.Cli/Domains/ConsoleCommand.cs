using System.CommandLine;
using System.Globalization;
using Vmm.Control.Domains;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm console</c>.</summary>
internal static class ConsoleCommand
{
    public static Command Create()
    {
        Option<string?> type = new("--type", "-t") { HelpName = "pv|serial", Description = "A port of the virtio console (hvc0), or a serial port. [default: the guest's own console, by its command line]" };
        Option<int?> number = new("--num", "-n") { HelpName = "N", Description = "Its number; COM1 is serial port 0. [default: 0]" };
        Option<string?> escape = new("--escape", "-e") { HelpName = "^C", Description = "The character that leaves, as ^A to ^_. [default: ^]]" };
        Argument<string> domain = DomainVerb.Domain();
        return DomainVerb.New("console", "Connect this terminal to a domain's console: what came before is shown, Ctrl-] leaves.", result =>
        {
            string text = result.GetValue(escape) ?? "^]";
            if (text is not ['^', >= '@' and <= '_' and char key]) throw new DomainException($"'{text}' is no character that leaves; ^] or ^A would be");
            string? name = NameOf(result.GetValue(type), result.GetValue(number));
            return ConsoleClient.Run(DomainVerb.Find(result.GetRequiredValue(domain)), name, (byte)(key & ConsoleClient.ControlMask));
        }, type, number, escape, domain);
    }

    // Null for the guest's own.
    private static string? NameOf(string? type, int? number) => type switch
    {
        null when number is null => null,
        null or "serial" => string.Create(CultureInfo.InvariantCulture, $"serial{number ?? 0}"),
        "pv" => string.Create(CultureInfo.InvariantCulture, $"hvc{number ?? 0}"),
        _ => throw new DomainException($"'{type}' is none of pv, serial"),
    };
}
