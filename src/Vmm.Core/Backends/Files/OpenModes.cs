namespace Vmm.Core.Backends.Files;

/// <summary>How a node is opened.</summary>
[Flags]
public enum OpenModes
{
    None = 0,
    Read = 1,
    Write = 2,

    /// <summary>The content goes away.</summary>
    Truncate = 4,

    /// <summary>At creation: only when there was none.</summary>
    Exclusive = 8,

    /// <summary>Each write is on stable storage when it returns.</summary>
    DataSync = 16,

    /// <summary>As <see cref="DataSync"/>, all attributes with it.</summary>
    Sync = 32,

    /// <summary>Only a directory will do.</summary>
    Directory = 64,
}
