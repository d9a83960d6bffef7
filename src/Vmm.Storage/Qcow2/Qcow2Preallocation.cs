namespace Vmm.Storage.Qcow2;

/// <summary>What a new image has before anything is written to it.</summary>
public enum Qcow2Preallocation
{
    Off,

    /// <summary>Every cluster has its place in the file, which is a hole.</summary>
    Metadata,

    /// <summary>The host keeps storage for all of it as well.</summary>
    Falloc,

    /// <summary>Zeros are written to all of it.</summary>
    Full,
}
