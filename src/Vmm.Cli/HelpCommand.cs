using System.CommandLine;

namespace Vmm.Cli;

/// <summary><c>vmm help</c>: what --help prints, by a verb.</summary>
internal static class HelpCommand
{
    public static Command Create()
    {
        Argument<string[]> words = new("VERB") { HelpName = "VERB", Description = "The verb, and one below it; all verbs without it.", Arity = new ArgumentArity(0, 2) };
        words.CompletionSources.Add(_ => Verbs.OfThisFace.Select(v => new System.CommandLine.Completions.CompletionItem(v.Name)));
        Command command = new("help", "Explain a verb.") { words };
        command.SetAction(result =>
        {
            string[] asked = result.GetValue(words) ?? [];
            if (asked is ["help", ..]) asked = asked[1..];
            return CommandLine.Run([.. asked, "--help"]);
        });
        return command;
    }
}
