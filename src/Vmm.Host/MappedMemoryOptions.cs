namespace Vmm.Host;

/// <summary>How <see cref="MappedMemory"/> is made.</summary>
public sealed record MappedMemoryOptions
{
    /// <summary>The name that /proc/self/maps shows.</summary>
    public string Name { get; init; } = "guest-ram";

    /// <summary>Page size.</summary>
    public HugePages HugePages { get; init; }

    /// <summary>True to have guest memory in core dumps of the process.</summary>
    public bool InCoreDumps { get; init; }
}
