using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;

namespace Vmm.Cli;

/// <summary>The verbs, and what the parser does with them.</summary>
internal static class CommandLine
{
    /// <summary>Parses and runs.</summary>
    /// <returns>The process's exit code.</returns>
    public static int Run(string[] args)
    {
        RootCommand root = new("A virtual machine monitor for x86-64 Linux hosts.")
        {
            RunCommand.Create(),
            DoctorCommand.Create(),
            ImageCommand.Create(),
            KernelCommand.Create(),
            VersionCommand.Create(),
        };
        // `vmm version` says it; an option of the same meaning would only be one more thing to explain.
        foreach (Option option in root.Options.OfType<VersionOption>().ToArray()) root.Options.Remove(option);
        AppendToHelp(root, ExitCodes.Help);

        ParseResult result = root.Parse(args, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
        if (result.Errors.Count != 0 && result.Action is not HelpAction)
        {
            StandardError.Error(Explain(result));
            StandardError.Line($"Try '{Verb(result)} --help'.");
            return (int)ExitCode.BadArguments;
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

        help.Action = new HelpWithText((HelpAction)(help.Action ?? new HelpAction()), text);
    }

    private static string Explain(ParseResult result)
    {
        Command command = result.CommandResult.Command;
        if (command.Subcommands.Count == 0) return result.Errors[0].Message.ReplaceLineEndings(" ");
        string prefix = result.UnmatchedTokens.Count == 0 ? "a verb is needed" : $"'{result.UnmatchedTokens[0]}' is no verb";
        string others = string.Join(", ", command.Subcommands.SkipLast(1).Select(c => c.Name));
        return $"{prefix}: {others}{(others.Length == 0 ? "" : " or ")}{command.Subcommands[^1].Name}";
    }

    // The verb with those above it: "vmm image commit".
    private static string Verb(ParseResult result)
    {
        string path = "";
        for (SymbolResult? at = result.CommandResult; at is not null; at = at.Parent)
        {
            if (at is CommandResult { Command: not RootCommand } command) path = $" {command.Command.Name}{path}";
        }

        return "vmm" + path;
    }
}
