namespace Vmm.Control.Xl;

/// <summary>A number: decimal, octal behind 0, hexadecimal behind 0x. Python's True and False are 1 and 0.</summary>
public sealed record XlNumber(long Value, XlPosition Position) : XlValue(Position)
{
    /// <inheritdoc/>
    public override string Kind => "a number";
}
