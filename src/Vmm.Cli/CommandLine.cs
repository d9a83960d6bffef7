using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Vmm.Core.Text;

namespace Vmm.Cli;

/// <summary>The verbs, and what the parser does with them.</summary>
internal static class CommandLine
{
    /// <summary>Parses and runs.</summary>
    /// <returns>The process's exit code.</returns>
    public static int Run(string[] args)
    {
        args = GlobalFlags.Take(args);
        IEnumerable<Verb> verbs = Verbs.OfThisFace;
        RootCommand root = new(Face.IsXl ? "Domains of Vmm, with the verbs of xl." : "A virtual machine monitor for x86-64 Linux hosts.");
        // With the verb known the others need not be made; help and completion show all of them.
        Verb? chosen = args.Length == 0 ? null : verbs.FirstOrDefault(v => v.Name == args[0]);
        if (chosen is null && args.Length != 0 && AbsentVerbs.WhyNot(args[0]) is { } why) return Refuse($"there is no '{args[0]}' here: {why}");
        if (GlobalFlags.IsDryRun && chosen is { KnowsDryRun: false }) return Refuse($"'{chosen.Name}' has no dry run (-N)");
        foreach (Verb verb in chosen is null ? verbs : [chosen]) root.Add(verb.Create());
        // `vmm version` says it; an option of the same meaning would only be one more thing to explain.
        foreach (Option option in root.Options.OfType<VersionOption>().ToArray()) root.Options.Remove(option);
        AppendToHelp(root, $"{GlobalFlags.Help}\n{ExitCodes.Help}");

        ParseResult result = root.Parse(args, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
        bool isHelp = result.Action is HelpAction or HelpWithText;
        // The help of what is no verb would be that of all verbs.
        bool isNoVerb = isHelp && result.CommandResult.Command.Subcommands.Count != 0 && result.UnmatchedTokens.Count != 0;
        if (isNoVerb || (result.Errors.Count != 0 && !isHelp))
        {
            Refuse(Explain(result));
            StandardError.Line($"Try '{Path(result)} --help'.");
            return chosen?.BadArguments(result.CommandResult.Command) ?? (int)ExitCode.BadArguments;
        }

        return result.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
    }

    /// <summary>Prints a text after a command's help.</summary>
    public static void AppendToHelp(Command command, string text)
    {
        HelpOption? help = command.Options.OfType<HelpOption>().FirstOrDefault();
        if (help is null)
        {
            help = new HelpOption();
            command.Options.Add(help);
        }

        help.Action = new HelpWithText((SynchronousCommandLineAction)(help.Action ?? new HelpAction()), text);
    }

    private static int Refuse(string why)
    {
        StandardError.Error(why);
        return (int)ExitCode.BadArguments;
    }

    private static string Explain(ParseResult result)
    {
        Command command = result.CommandResult.Command;
        if (command.Subcommands.Count == 0) return result.Errors[0].Message.ReplaceLineEndings(" ");
        string? unknown = result.UnmatchedTokens.Count == 0 ? null : result.UnmatchedTokens[0];
        string[] names = [.. command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name)];
        // The verbs of the root are too many for a line.
        if (command is RootCommand && unknown is not null) return $"'{unknown}' is no verb; did you mean '{Spelling.Nearest(unknown, names)}'?";
        return $"{(unknown is null ? "a verb is needed" : $"'{unknown}' is no verb")}: {string.Join(", ", names.SkipLast(1))}{(names.Length == 1 ? "" : " or ")}{names[^1]}";
    }

    // The verb with those above it: "vmm image commit".
    private static string Path(ParseResult result)
    {
        string path = "";
        for (SymbolResult? at = result.CommandResult; at is not null; at = at.Parent)
        {
            if (at is CommandResult { Command: not RootCommand } command) path = $" {command.Command.Name}{path}";
        }

        return Face.Name + path;
    }
}
