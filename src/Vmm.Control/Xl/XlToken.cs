namespace Vmm.Control.Xl;

/// <summary>A piece of a configuration file.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Position">Where it begins.</param>
/// <param name="Text">A name, the content of a text, or the characters of anything else.</param>
/// <param name="Number">A number's value.</param>
internal readonly record struct XlToken(XlTokenKind Kind, XlPosition Position, string Text, long Number = 0)
{
    /// <summary>Where it begins, in characters of the text.</summary>
    public int Offset { get; init; }

    /// <summary>For messages.</summary>
    public override string ToString() => Kind switch
    {
        XlTokenKind.End => "the end of the file",
        XlTokenKind.Separator => "the end of the line",
        XlTokenKind.Text => "a text",
        _ => $"'{Text}'",
    };
}
