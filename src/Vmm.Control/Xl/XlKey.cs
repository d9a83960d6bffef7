namespace Vmm.Control.Xl;

/// <summary>A key of xl's or xm's files.</summary>
/// <param name="Name">The key.</param>
/// <param name="Use">What becomes of it.</param>
/// <param name="Why">What it means, or why it has no effect or is refused.</param>
public sealed record XlKey(string Name, XlKeyUse Use, string Why);
