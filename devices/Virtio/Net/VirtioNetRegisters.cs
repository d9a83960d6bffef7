using Vmm.Core.Backends;

namespace Vmm.Devices.Virtio.Net;

/// <summary>Numbers of the network device (virtio 1.2 §5.1).</summary>
internal static class VirtioNetRegisters
{
    public const ulong VIRTIO_NET_F_CSUM = 1UL << 0;
    public const ulong VIRTIO_NET_F_GUEST_CSUM = 1UL << 1;
    public const ulong VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 1UL << 2;
    public const ulong VIRTIO_NET_F_MTU = 1UL << 3;
    public const ulong VIRTIO_NET_F_MAC = 1UL << 5;
    public const ulong VIRTIO_NET_F_GUEST_TSO4 = 1UL << 7;
    public const ulong VIRTIO_NET_F_GUEST_TSO6 = 1UL << 8;
    public const ulong VIRTIO_NET_F_GUEST_ECN = 1UL << 9;
    public const ulong VIRTIO_NET_F_HOST_TSO4 = 1UL << 11;
    public const ulong VIRTIO_NET_F_HOST_TSO6 = 1UL << 12;
    public const ulong VIRTIO_NET_F_HOST_ECN = 1UL << 13;
    public const ulong VIRTIO_NET_F_MRG_RXBUF = 1UL << 15;
    public const ulong VIRTIO_NET_F_STATUS = 1UL << 16;
    public const ulong VIRTIO_NET_F_CTRL_VQ = 1UL << 17;
    public const ulong VIRTIO_NET_F_CTRL_RX = 1UL << 18;
    public const ulong VIRTIO_NET_F_CTRL_VLAN = 1UL << 19;
    public const ulong VIRTIO_NET_F_CTRL_RX_EXTRA = 1UL << 20;
    public const ulong VIRTIO_NET_F_GUEST_ANNOUNCE = 1UL << 21;
    public const ulong VIRTIO_NET_F_MQ = 1UL << 22;
    public const ulong VIRTIO_NET_F_CTRL_MAC_ADDR = 1UL << 23;
    public const ulong VIRTIO_NET_F_GUEST_USO4 = 1UL << 54;
    public const ulong VIRTIO_NET_F_GUEST_USO6 = 1UL << 55;
    public const ulong VIRTIO_NET_F_HOST_USO = 1UL << 56;
    public const ulong VIRTIO_NET_F_SPEED_DUPLEX = 1UL << 63;

    /// <summary>What a driver takes undone: also the bits of VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET (§5.1.6.5.6).</summary>
    public const ulong GuestOffloads = VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_ECN
        | VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6;

    /// <summary>What the control queue brings, whatever the host can do.</summary>
    public const ulong Control = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VLAN | VIRTIO_NET_F_CTRL_RX_EXTRA
        | VIRTIO_NET_F_CTRL_MAC_ADDR | VIRTIO_NET_F_GUEST_ANNOUNCE;

    // Offsets in the configuration (§5.1.4); the fields behind the duplex belong to features that are not offered.
    public const int Mac = 0;
    public const int Status = 6;
    public const int MaxVirtqueuePairs = 8;
    public const int Mtu = 10;
    public const int Speed = 12;
    public const int Duplex = 16;
    public const int ConfigBytes = 24;

    public const ushort VIRTIO_NET_S_LINK_UP = 1;
    public const ushort VIRTIO_NET_S_ANNOUNCE = 2;

    public const byte DuplexFull = 1;

    public const byte VIRTIO_NET_OK = 0;
    public const byte VIRTIO_NET_ERR = 1;

    public const byte VIRTIO_NET_CTRL_RX = 0;
    public const byte VIRTIO_NET_CTRL_RX_PROMISC = 0;
    public const byte VIRTIO_NET_CTRL_RX_ALLMULTI = 1;
    public const byte VIRTIO_NET_CTRL_RX_ALLUNI = 2;
    public const byte VIRTIO_NET_CTRL_RX_NOMULTI = 3;
    public const byte VIRTIO_NET_CTRL_RX_NOUNI = 4;
    public const byte VIRTIO_NET_CTRL_RX_NOBCAST = 5;
    public const byte VIRTIO_NET_CTRL_MAC = 1;
    public const byte VIRTIO_NET_CTRL_MAC_TABLE_SET = 0;
    public const byte VIRTIO_NET_CTRL_MAC_ADDR_SET = 1;
    public const byte VIRTIO_NET_CTRL_VLAN = 2;
    public const byte VIRTIO_NET_CTRL_VLAN_ADD = 0;
    public const byte VIRTIO_NET_CTRL_VLAN_DEL = 1;
    public const byte VIRTIO_NET_CTRL_ANNOUNCE = 3;
    public const byte VIRTIO_NET_CTRL_ANNOUNCE_ACK = 0;
    public const byte VIRTIO_NET_CTRL_MQ = 4;
    public const byte VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET = 0;
    public const byte VIRTIO_NET_CTRL_GUEST_OFFLOADS = 5;
    public const byte VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET = 0;

    /// <summary>Bytes of a command's class and number.</summary>
    public const int CommandBytes = 2;

    /// <summary>Queues of a pair: even ones receive, odd ones transmit; the control queue follows the pairs (§5.1.2).</summary>
    public const int QueuesPerPair = 2;

    /// <summary>Features for what a backend can do; what summing is needed for is not offered without it (§5.1.3.1).</summary>
    public static ulong FeaturesOf(NetOffloads offloads)
    {
        if ((offloads & NetOffloads.Checksum) == 0) return 0;
        return VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS
            | If(offloads, NetOffloads.Tso4, VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_GUEST_TSO4)
            | If(offloads, NetOffloads.Tso6, VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_GUEST_TSO6)
            | If(offloads, NetOffloads.TsoEcn, VIRTIO_NET_F_HOST_ECN | VIRTIO_NET_F_GUEST_ECN)
            | If(offloads, NetOffloads.Uso, VIRTIO_NET_F_HOST_USO | VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6);
    }

    /// <summary>What the driver may leave undone with these features.</summary>
    public static NetOffloads SendOffloads(ulong features) => (features & VIRTIO_NET_F_CSUM) == 0 ? NetOffloads.None : NetOffloads.Checksum
        | If(features, VIRTIO_NET_F_HOST_TSO4, NetOffloads.Tso4) | If(features, VIRTIO_NET_F_HOST_TSO6, NetOffloads.Tso6)
        | If(features, VIRTIO_NET_F_HOST_ECN, NetOffloads.TsoEcn) | If(features, VIRTIO_NET_F_HOST_USO, NetOffloads.Uso);

    /// <summary>What the driver takes undone with these features. Segments of UDP come in both versions of IP or not at all.</summary>
    public static NetOffloads ReceiveOffloads(ulong features) => (features & VIRTIO_NET_F_GUEST_CSUM) == 0 ? NetOffloads.None : NetOffloads.Checksum
        | If(features, VIRTIO_NET_F_GUEST_TSO4, NetOffloads.Tso4) | If(features, VIRTIO_NET_F_GUEST_TSO6, NetOffloads.Tso6)
        | If(features, VIRTIO_NET_F_GUEST_ECN, NetOffloads.TsoEcn) | If(features, VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6, NetOffloads.Uso);

    private static ulong If(NetOffloads has, NetOffloads offload, ulong features) => (has & offload) != 0 ? features : 0;

    private static NetOffloads If(ulong has, ulong features, NetOffloads offload) => (has & features) == features ? offload : NetOffloads.None;
}
