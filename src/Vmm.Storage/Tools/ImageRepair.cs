namespace Vmm.Storage.Tools;

/// <summary>What a check may change.</summary>
public enum ImageRepair
{
    None,

    /// <summary>Space that is counted or kept and not used.</summary>
    Leaks,

    /// <summary>Everything that can be mended without losing data.</summary>
    All,
}
