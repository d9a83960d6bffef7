namespace Vmm.Core.Memory;

/// <summary>What is known of one guest page. One byte a page, shared by every writer of guest memory.</summary>
[Flags]
public enum PageFlags : byte
{
    None = 0,

    /// <summary>Written since the dirty log was last collected.</summary>
    Dirty = 1,

    /// <summary>A software CPU holds decoded instructions of this page: a write must be told to <see cref="ICodePageObserver"/>.</summary>
    Code = 2,
}
