namespace Vmm.Control.Xl;

/// <summary>A place in a text, counted from 1.</summary>
/// <param name="Line">The line.</param>
/// <param name="Column">The character in it.</param>
/// <param name="File">The text's name: a list can have entries from the file and from the command line.</param>
public readonly record struct XlPosition(int Line, int Column, string File = "");
