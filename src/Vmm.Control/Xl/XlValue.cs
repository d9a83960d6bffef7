namespace Vmm.Control.Xl;

/// <summary>The value of a key: a text, a number or a list.</summary>
/// <param name="Position">Where it begins.</param>
public abstract record XlValue(XlPosition Position)
{
    /// <summary>For messages: "a text", "a number", "a list".</summary>
    public abstract string Kind { get; }
}
