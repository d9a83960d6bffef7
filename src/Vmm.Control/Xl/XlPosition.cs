namespace Vmm.Control.Xl;

/// <summary>A place in a text, counted from 1.</summary>
public readonly record struct XlPosition(int Line, int Column);
