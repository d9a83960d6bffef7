namespace Vmm.Core.Hypervisor;

/// <summary>Segment attributes in the layout of descriptor bits 40 to 55 (Intel SDM vol. 3 §3.4.5), plus an "unusable" mark as VMX has it.</summary>
[Flags]
public enum SegmentAttributes : uint
{
    None = 0,
    TypeMask = 0xf,

    /// <summary>Type bit 0 of code and data segments.</summary>
    Accessed = 1,

    /// <summary>Type bit 1: writable (data) or readable (code).</summary>
    WritableOrReadable = 2,

    /// <summary>Type bit 2: expand-down (data) or conforming (code).</summary>
    ExpandDownOrConforming = 4,

    /// <summary>Type bit 3: a code segment.</summary>
    Code = 8,

    /// <summary>Descriptor type: 1 is code or data, 0 is system.</summary>
    S = 1 << 4,
    DplMask = 3 << 5,
    Present = 1 << 7,
    AVL = 1 << 12,

    /// <summary>64-bit code segment.</summary>
    L = 1 << 13,

    /// <summary>Default operation size (code), big stack pointer (stack).</summary>
    DB = 1 << 14,

    /// <summary>The limit counts 4 KiB units. <see cref="SegmentState.Limit"/> is in bytes already.</summary>
    G = 1 << 15,

    /// <summary>The register holds a null selector.</summary>
    Unusable = 1 << 16,
}
