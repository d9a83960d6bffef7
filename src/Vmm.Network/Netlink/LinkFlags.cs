namespace Vmm.Network.Netlink;

/// <summary>The state of an interface (netdevice(7), IFF_…); the values are the kernel's.</summary>
[Flags]
public enum LinkFlags : uint
{
    None = 0,

    /// <summary>Switched on.</summary>
    Up = 0x1,

    Loopback = 0x8,

    /// <summary>Its cable is in, and it can send.</summary>
    Running = 0x40,

    /// <summary>It neither asks nor answers by ARP.</summary>
    NoArp = 0x80,
}
