using System.CommandLine;
using System.CommandLine.Completions;
using System.Globalization;
using Vmm.Control.Domains;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm trigger</c>: the buttons of a machine.</summary>
internal static class TriggerCommand
{
    private static readonly string[] Triggers = ["power", "reset", "nmi"];

    public static Command Create()
    {
        Argument<string> domain = DomainVerb.Domain();
        Argument<string> trigger = new("TRIGGER") { HelpName = "TRIGGER", Description = "power (the power button), reset (the reset button) or nmi (a non-maskable interrupt)." };
        trigger.CompletionSources.Add(_ => Triggers.Select(t => new CompletionItem(t)));
        Argument<string?> vcpu = new("VCPU") { Description = "Which vCPU gets the nmi. [default: 0]", Arity = ArgumentArity.ZeroOrOne };
        return DomainVerb.New("trigger", "Press a button of a domain's machine.", result =>
        {
            DomainFolder folder = DomainVerb.Find(result.GetRequiredValue(domain));
            return Press(folder, result.GetRequiredValue(trigger), result.GetValue(vcpu));
        }, domain, trigger, vcpu);
    }

    private static int Press(DomainFolder folder, string trigger, string? vcpu)
    {
        if (vcpu is not null && trigger != "nmi") throw new DomainException($"'{trigger}' is for the whole machine, not for a vCPU");
        switch (trigger)
        {
            case "power":
                return ShutdownCommands.ShutDown([folder], patience: null, destroysRest: false);
            case "reset":
                DomainVerb.Tell(folder, (d, cancellation) => d.RebootAsync(cancellation));
                return (int)ExitCode.Ok;
            case "nmi":
                int index = Index(vcpu);
                DomainVerb.Tell(folder, (d, cancellation) => d.SendNmiAsync(index, cancellation));
                return (int)ExitCode.Ok;
            case "sleep" or "s3resume":
                throw new DomainRefusedException(ExitCode.Failed, $"'{trigger}' is not there: the machine has no sleep states; pause and unpause stop a guest and let it go on");
            case "init":
                throw new DomainRefusedException(ExitCode.Failed, "'init' is not there: a vCPU would begin at the reset vector, where there is no firmware; reset begins anew");
            default:
                throw new DomainException($"'{trigger}' is none of {string.Join(", ", Triggers)}");
        }
    }

    private static int Index(string? vcpu)
    {
        if (vcpu is null) return 0;
        return int.TryParse(vcpu, NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? index : throw new DomainException($"'{vcpu}' is no number of a vCPU");
    }
}
