namespace Vmm.Control.Xl;

/// <summary>A key with its value.</summary>
/// <param name="Key">The key.</param>
/// <param name="Value">What it is set to, additions included.</param>
/// <param name="File">The text in which it was set last.</param>
/// <param name="Position">Where the key stands there.</param>
public sealed record XlSetting(string Key, XlValue Value, string File, XlPosition Position);
