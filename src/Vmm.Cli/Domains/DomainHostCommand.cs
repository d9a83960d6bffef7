using System.CommandLine;

namespace Vmm.Cli.Domains;

/// <summary><c>vmm domain-host</c>: the process of a domain, started by <c>vmm create</c>. It is not in the help.</summary>
internal static class DomainHostCommand
{
    public const string Name = "domain-host", PausedOption = "--paused", KeepOption = "--keep";

    public static Command Create()
    {
        Option<bool> paused = new(PausedOption) { Description = "The guest waits." };
        Option<bool> keep = new(KeepOption) { Description = "The domain stays when its guest has ended." };
        Argument<string> file = new("FILE") { Description = "The name of the configuration whose text is on standard input." };
        Argument<string[]> additions = new("KEY=VALUE") { Description = "Settings beside it.", Arity = ArgumentArity.ZeroOrMore };
        Command command = DomainVerb.New(Name, "Be a domain.", result =>
        {
            string name = result.GetRequiredValue(file);
            using Stream input = Console.OpenStandardInput();
            DomainFile text = new(name, DomainFile.ReadText(input, name), result.GetValue(additions) ?? []);
            return DomainProcess.Run(text, result.GetValue(paused), result.GetValue(keep), inBackground: true);
        }, paused, keep, file, additions);
        command.Hidden = true;
        return command;
    }
}
