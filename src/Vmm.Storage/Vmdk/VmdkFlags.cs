namespace Vmm.Storage.Vmdk;

/// <summary>Flags of a sparse extent's header (VMDK specification 5.0, "Hosted Sparse Extent Header").</summary>
[Flags]
internal enum VmdkFlags : uint
{
    None = 0,

    /// <summary>The bytes that detect a damaged line end are there.</summary>
    NewLineTest = 1 << 0,
    RedundantTables = 1 << 1,

    /// <summary>A grain table entry of 1 says that the grain is zeros.</summary>
    ZeroedGrains = 1 << 2,
    CompressedGrains = 1 << 16,
    Markers = 1 << 17,
}
