namespace Vmm.Storage;

/// <summary>What stands behind a piece of a disk.</summary>
public enum BlockExtentKind
{
    /// <summary>Nothing in this image: the backing image's content, or zeros without one.</summary>
    Unallocated,

    /// <summary>Known to be zeros.</summary>
    Zero,

    /// <summary>Bytes in the file.</summary>
    Data,

    /// <summary>Compressed bytes in the file.</summary>
    Compressed,
}
