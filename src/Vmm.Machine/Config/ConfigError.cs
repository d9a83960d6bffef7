namespace Vmm.Machine.Config;

/// <summary>A mistake in a configuration.</summary>
/// <param name="Path">The key: "memory", "serial[1]".</param>
/// <param name="Why">What is wrong, and what would be right.</param>
/// <param name="Line">Line in the file it came from; null when there is none.</param>
public sealed record ConfigError(string Path, string Why, int? Line = null)
{
    /// <summary>One line for the user.</summary>
    public override string ToString() => Line is { } line ? $"line {line}: {Path}: {Why}" : $"{Path}: {Why}";
}
