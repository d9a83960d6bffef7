namespace Vmm.Control.Xl;

/// <summary>Where a setting stands in a text.</summary>
/// <param name="Key">The key.</param>
/// <param name="Start">Its first character.</param>
/// <param name="End">The character behind its value.</param>
internal readonly record struct XlSpan(string Key, int Start, int End);
