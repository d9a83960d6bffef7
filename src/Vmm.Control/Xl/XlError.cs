namespace Vmm.Control.Xl;

/// <summary>A mistake in a configuration file.</summary>
/// <param name="File">The file's name as it was given.</param>
/// <param name="Position">Where.</param>
/// <param name="Why">What is wrong, and what was expected.</param>
public sealed record XlError(string File, XlPosition Position, string Why)
{
    /// <summary>One line for the user: "vm.cfg:3:8: …".</summary>
    public override string ToString() => $"{File}:{Position.Line}:{Position.Column}: {Why}";
}
