namespace Vmm.Host.Net;

/// <summary>What the reader of a TAP takes undone (TUNSETOFFLOAD); the values are the kernel's.</summary>
[Flags]
public enum TapOffloads
{
    None = 0,
    TUN_F_CSUM = 0x01,
    TUN_F_TSO4 = 0x02,
    TUN_F_TSO6 = 0x04,
    TUN_F_TSO_ECN = 0x08,

    /// <summary>Since Linux 6.2; only together with <see cref="TUN_F_USO6"/>.</summary>
    TUN_F_USO4 = 0x20,
    TUN_F_USO6 = 0x40,
}
