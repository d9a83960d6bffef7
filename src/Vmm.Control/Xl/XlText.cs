namespace Vmm.Control.Xl;

/// <summary>A text in quotes, its escapes resolved.</summary>
public sealed record XlText(string Value, XlPosition Position) : XlValue(Position)
{
    /// <inheritdoc/>
    public override string Kind => "a text";
}
