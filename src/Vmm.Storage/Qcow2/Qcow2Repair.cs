namespace Vmm.Storage.Qcow2;

/// <summary>What a check may change.</summary>
public enum Qcow2Repair
{
    None,

    /// <summary>Clusters that are counted and not used.</summary>
    Leaks,

    /// <summary>Counts that are too low, and flags, as well.</summary>
    All,
}
