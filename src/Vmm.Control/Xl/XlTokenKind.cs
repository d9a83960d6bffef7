namespace Vmm.Control.Xl;

/// <summary>What a piece of a configuration file is.</summary>
internal enum XlTokenKind
{
    Name,
    Text,
    Number,
    Assign,
    Append,
    Plus,
    Comma,
    OpenList,
    CloseList,
    Separator,
    End,
    Other,
}
