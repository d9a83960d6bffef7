namespace Vmm.Machine.Snapshot;

/// <summary>The kinds of records, in the order in which they come.</summary>
internal enum SnapshotRecord : uint
{
    /// <summary>What the program around the machine wants to know again; opaque here.</summary>
    Owner = 1,

    /// <summary>The machine's configuration with the devices as they were, as JSON.</summary>
    Config,

    /// <summary><see cref="SnapshotManifest"/>.</summary>
    Manifest,

    /// <summary>A state: 16 bits with the length of its id, the id, the JSON.</summary>
    Node,

    /// <summary><see cref="SavedVcpu"/>, those with the smaller index first.</summary>
    Vcpu,

    /// <summary>Pages of memory: 64 bits with their offset in RAM without its holes, the bytes. Ascending; what none of them holds is zero.</summary>
    Memory,

    /// <summary>The number of all bytes before it.</summary>
    End,
}
