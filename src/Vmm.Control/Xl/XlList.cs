using System.Collections.Immutable;

namespace Vmm.Control.Xl;

/// <summary>A list of values, also of lists.</summary>
public sealed record XlList(ImmutableArray<XlValue> Items, XlPosition Position) : XlValue(Position)
{
    /// <inheritdoc/>
    public override string Kind => "a list";
}
