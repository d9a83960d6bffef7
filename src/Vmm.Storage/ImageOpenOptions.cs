using Vmm.Host;

namespace Vmm.Storage;

/// <summary>How an image is opened.</summary>
public sealed record ImageOpenOptions
{
    public bool ReadOnly { get; init; }

    /// <summary>Follow the names of backing files that images hold. Without it, such an image is refused: it would read files that nobody named.</summary>
    public bool AllowBacking { get; init; }

    /// <summary>Open although others use it. Only for looking.</summary>
    public bool IgnoreLocks { get; init; }

    /// <summary>Pass the host's page cache by (O_DIRECT), here and in backing files.</summary>
    public bool Direct { get; init; }

    /// <summary>Who opens files (path, read-only, direct), for a process that may not; null for this one.</summary>
    public Func<string, bool, bool, LinuxFile>? Opener { get; init; }

    /// <summary>Let nothing wait for the disk, for images that are not kept if the work is cut off.</summary>
    public bool IgnoreFlush { get; init; }

    internal BlockFile OpenFile(string path, bool readOnly, bool direct = false) => Opener is { } opener
        ? BlockFile.Adopt(opener(path, readOnly, direct), path, readOnly, IgnoreLocks, direct)
        : BlockFile.Open(path, readOnly, IgnoreLocks, direct);
}
