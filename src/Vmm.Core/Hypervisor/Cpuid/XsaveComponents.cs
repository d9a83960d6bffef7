namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>State components of XCR0 (Intel SDM vol. 1 §13.1).</summary>
[Flags]
public enum XsaveComponents : uint
{
    None = 0,
    X87 = 1 << 0,
    Sse = 1 << 1,
    Avx = 1 << 2,

    /// <summary>Bound registers and their configuration.</summary>
    Mpx = 3 << 3,

    /// <summary>Opmask, upper halves of ZMM0-15, ZMM16-31.</summary>
    Avx512 = 7 << 5,
    Pkru = 1 << 9,

    /// <summary>Tile configuration and data.</summary>
    Amx = 3 << 17,
}
