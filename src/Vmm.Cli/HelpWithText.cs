using System.CommandLine;
using System.CommandLine.Invocation;

namespace Vmm.Cli;

/// <summary>The usual help, and then a text of our own.</summary>
internal sealed class HelpWithText(SynchronousCommandLineAction help, string text) : SynchronousCommandLineAction
{
    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        int result = help.Invoke(parseResult);
        parseResult.InvocationConfiguration.Output.WriteLine(text);
        return result;
    }

    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;
}
