namespace Vmm.Core.Backends;

/// <summary>The size of a terminal's window in characters.</summary>
public readonly record struct TerminalSize(ushort Columns, ushort Rows);
