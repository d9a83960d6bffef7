namespace Vmm.Storage.Tools;

/// <summary>What an image's header says beside the size, in qemu-img's words where it has some.</summary>
public sealed record ImageDetails
{
    /// <summary>For people: name and value.</summary>
    public IReadOnlyList<(string Name, string Value)> Lines { get; init; } = [];

    /// <summary>For programs: a key, and a string, a whole number (long) or a truth (bool).</summary>
    public IReadOnlyList<(string Key, object Value)> Fields { get; init; } = [];

    /// <summary>The image below, as it is named.</summary>
    public string? BackingFile { get; init; }

    /// <summary>Its format, where that is said or follows from this one's.</summary>
    public string? BackingFormat { get; init; }
}
