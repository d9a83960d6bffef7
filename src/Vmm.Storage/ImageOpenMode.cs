namespace Vmm.Storage;

/// <summary>What an image is opened for.</summary>
internal enum ImageOpenMode
{
    /// <summary>Reading, and writing when the file allows it.</summary>
    Use,

    /// <summary>A check, which must be able to look at what is broken.</summary>
    Check,
}
