using System.Buffers.Binary;
using System.Text;
using Vmm.Devices.Virtio;

namespace Vmm.DeviceModel.VhostUser.Client;

/// <summary>
/// A kind of device as a front end has to know it: some back ends keep the configuration, others leave it to the front end. Numbers of
/// virtio 1.2 §5.1, §5.2, §5.11.
/// </summary>
internal sealed record VhostUserProfile(string Name, ushort DeviceId, uint PciClass, uint ConfigBytes)
{
    private const ulong VIRTIO_BLK_F_MQ = 1UL << 12;
    private const ulong VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 1UL << 2, VIRTIO_NET_F_MTU = 1UL << 3, VIRTIO_NET_F_MAC = 1UL << 5, VIRTIO_NET_F_STATUS = 1UL << 16,
        VIRTIO_NET_F_CTRL_VQ = 1UL << 17, VIRTIO_NET_F_CTRL_RX = 1UL << 18, VIRTIO_NET_F_CTRL_VLAN = 1UL << 19, VIRTIO_NET_F_CTRL_RX_EXTRA = 1UL << 20,
        VIRTIO_NET_F_GUEST_ANNOUNCE = 1UL << 21, VIRTIO_NET_F_MQ = 1UL << 22, VIRTIO_NET_F_CTRL_MAC_ADDR = 1UL << 23, VIRTIO_NET_F_VQ_NOTF_COAL = 1UL << 52,
        VIRTIO_NET_F_NOTF_COAL = 1UL << 53, VIRTIO_NET_F_HASH_REPORT = 1UL << 57, VIRTIO_NET_F_RSS = 1UL << 60, VIRTIO_NET_F_STANDBY = 1UL << 62,
        VIRTIO_NET_F_SPEED_DUPLEX = 1UL << 63;

    // What needs a control queue or configuration, which a back end that keeps neither has not got.
    private const ulong NetCommands = VIRTIO_NET_F_CTRL_GUEST_OFFLOADS | VIRTIO_NET_F_MTU | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VLAN
        | VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_GUEST_ANNOUNCE | VIRTIO_NET_F_MQ | VIRTIO_NET_F_CTRL_MAC_ADDR | VIRTIO_NET_F_VQ_NOTF_COAL | VIRTIO_NET_F_NOTF_COAL
        | VIRTIO_NET_F_HASH_REPORT | VIRTIO_NET_F_RSS | VIRTIO_NET_F_STANDBY | VIRTIO_NET_F_SPEED_DUPLEX;
    private const int BlockNumQueuesAt = 34, NetStatusAt = 6, NetMaxPairsAt = 8, FsTagBytes = VhostUserOptions.MostTagBytes;
    private const byte VIRTIO_NET_S_LINK_UP = 1;

    // Of virtio's own features those that concern rings alone and that are nobody's but the back end's.
    private const ulong RingFeatures = VirtioFeatures.VIRTIO_F_INDIRECT_DESC | VirtioFeatures.VIRTIO_F_EVENT_IDX | VirtioFeatures.VIRTIO_F_VERSION_1
        | VirtioFeatures.VIRTIO_F_RING_PACKED | VirtioFeatures.VIRTIO_F_IN_ORDER;

    // Bits 0 to 23 and 50 to 63 belong to the kind of device.
    private const ulong DeviceFeatures = (1UL << 24) - 1 | ~((1UL << 50) - 1);

    public static VhostUserProfile Of(VhostUserKind kind) => kind switch
    {
        VhostUserKind.Block => new("vhost-user-blk", 2, 0x018000, 60),
        VhostUserKind.Net => new("vhost-user-net", 1, 0x020000, 24),
        _ => new("vhost-user-fs", 26, 0x018000, 40),
    };

    /// <summary>What may be offered to the guest of what the back end offers.</summary>
    public ulong Features(ulong offered, bool hasConfig, int queues)
    {
        ulong features = offered & (RingFeatures | DeviceFeatures);
        if (DeviceId == Of(VhostUserKind.Net).DeviceId && !hasConfig) features = (features & ~NetCommands) | VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS;
        if (DeviceId == Of(VhostUserKind.Block).DeviceId && queues == 1) features &= ~VIRTIO_BLK_F_MQ;
        return features;
    }

    /// <summary>The number of virtqueues.</summary>
    /// <exception cref="VhostUserException">The back end has fewer than were asked for.</exception>
    public static int CountQueues(VhostUserOptions options, int served, bool hasConfig)
    {
        const int FsHighPriority = 1, PairOfQueues = 2;
        if (options.Kind == VhostUserKind.Net)
        {
            if (served < PairOfQueues) throw new VhostUserException("the back end serves no pair of queues");
            // A back end that keeps the configuration has the control queue, too, and all of them.
            if (hasConfig) return served;
            if (options.Queues is > 1) throw new VhostUserException("this back end leaves the configuration to the front end, and then there is one pair of queues");
            return PairOfQueues;
        }

        int others = options.Kind == VhostUserKind.FileSystem ? FsHighPriority : 0;
        int most = served - others;
        int wanted = options.Queues ?? Math.Min(Math.Max(most, 1), options.MostDefaultQueues);
        if (wanted > most) throw new VhostUserException($"the back end serves {most} queues, not {wanted}");
        return wanted + others;
    }

    /// <summary>The configuration where the back end keeps none.</summary>
    public static void MakeConfig(VhostUserOptions options, int queues, Span<byte> config)
    {
        switch (options.Kind)
        {
            case VhostUserKind.Net:
                options.Mac.Write(config);
                config[NetStatusAt] = VIRTIO_NET_S_LINK_UP;
                config[NetMaxPairsAt] = 1;
                break;
            case VhostUserKind.FileSystem:
                Encoding.UTF8.GetBytes(options.Tag, config);
                BinaryPrimitives.WriteUInt32LittleEndian(config[FsTagBytes..], (uint)queues - 1);
                break;
        }
    }

    /// <summary>What the front end knows better than the back end's configuration.</summary>
    public void AdjustConfig(int queues, Span<byte> config)
    {
        if (DeviceId == Of(VhostUserKind.Block).DeviceId) BinaryPrimitives.WriteUInt16LittleEndian(config[BlockNumQueuesAt..], (ushort)queues);
    }
}
