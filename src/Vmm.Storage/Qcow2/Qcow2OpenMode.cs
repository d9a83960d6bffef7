namespace Vmm.Storage.Qcow2;

/// <summary>What an image is opened for.</summary>
internal enum Qcow2OpenMode
{
    /// <summary>Reading, and writing when the file allows it.</summary>
    Use,

    /// <summary>A check, which must be able to look at what is broken.</summary>
    Check,
}
