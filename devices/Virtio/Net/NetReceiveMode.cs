namespace Vmm.Devices.Virtio.Net;

/// <summary>Switches of the receive filter (virtio 1.2 §5.1.6.5.1), and which tables could not hold what the driver wanted.</summary>
[Flags]
public enum NetReceiveMode
{
    None = 0,
    Promiscuous = 1 << 0,
    AllMulticast = 1 << 1,
    AllUnicast = 1 << 2,
    NoMulticast = 1 << 3,
    NoUnicast = 1 << 4,
    NoBroadcast = 1 << 5,

    /// <summary>There are more addresses than the table holds, so all pass.</summary>
    UnicastOverflow = 1 << 6,

    /// <summary>As <see cref="UnicastOverflow"/>.</summary>
    MulticastOverflow = 1 << 7,
}
