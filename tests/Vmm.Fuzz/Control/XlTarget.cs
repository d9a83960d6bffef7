using System.Text;
using System.Text.Json;
using Vmm.Control.Domains;
using Vmm.Control.Xl;
using Vmm.Machine.Config;

namespace Vmm.Fuzz.Control;

/// <summary>A domain's configuration file, with what a command line adds behind a zero byte: always a valid domain or mistakes with their places.</summary>
public sealed class XlTarget : IFuzzTarget
{
    /// <inheritdoc/>
    public string Name => "xl";

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<byte> input)
    {
        int end = input.IndexOf((byte)0);
        string file = Encoding.UTF8.GetString(end < 0 ? input : input[..end]);
        string addition = end < 0 ? "" : Encoding.UTF8.GetString(input[(end + 1)..]);
        XlDocument document = new();
        XlError[] mistakes = [.. document.Read("file", file), .. document.Read("line", addition)];
        DomainConfig? config = XlDomain.Build(document, "file", out IReadOnlyList<XlError> errors, out IReadOnlyList<XlError> warnings);
        foreach (XlError error in mistakes.Concat(errors).Concat(warnings)) Check(error, error.File == "file" ? file : addition);
        if ((config is null) != (errors.Count != 0)) throw new InvalidOperationException("a domain and mistakes at once, or neither");
        if (config is null) return;
        if (ConfigValidator.Validate(config.Machine) is [var wrong, ..]) throw new InvalidOperationException($"the domain is not valid: {wrong}");
        // As it goes to the domain's process.
        JsonElement json = config.ToJson();
        if (DomainConfig.FromJson(json).ToJson().GetRawText() != json.GetRawText()) throw new InvalidOperationException("the domain does not survive its journey");
    }

    private static void Check(XlError error, string text)
    {
        string[] lines = text.Split('\n');
        bool isInside = error.Position.Line >= 1 && error.Position.Line <= lines.Length && error.Position.Column >= 1
            && error.Position.Column <= lines[error.Position.Line - 1].Length + 1;
        if (!isInside) throw new InvalidOperationException($"a mistake outside the text: {error}");
        if (error.Why.Length == 0) throw new InvalidOperationException("a mistake without a reason");
    }
}
