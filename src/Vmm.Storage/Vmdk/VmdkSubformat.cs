namespace Vmm.Storage.Vmdk;

/// <summary>The kinds of VMDK image that are made here.</summary>
public enum VmdkSubformat
{
    /// <summary>One file that grows and can be changed.</summary>
    MonolithicSparse,

    /// <summary>One file of compressed grains, written once from front to back; for exchange.</summary>
    StreamOptimized,
}
