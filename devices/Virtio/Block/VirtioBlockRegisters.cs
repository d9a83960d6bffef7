namespace Vmm.Devices.Virtio.Block;

/// <summary>Numbers of the block device (virtio 1.2 §5.2).</summary>
internal static class VirtioBlockRegisters
{
    public const ulong VIRTIO_BLK_F_SEG_MAX = 1UL << 2;
    public const ulong VIRTIO_BLK_F_RO = 1UL << 5;
    public const ulong VIRTIO_BLK_F_BLK_SIZE = 1UL << 6;
    public const ulong VIRTIO_BLK_F_FLUSH = 1UL << 9;
    public const ulong VIRTIO_BLK_F_TOPOLOGY = 1UL << 10;
    public const ulong VIRTIO_BLK_F_CONFIG_WCE = 1UL << 11;
    public const ulong VIRTIO_BLK_F_MQ = 1UL << 12;
    public const ulong VIRTIO_BLK_F_DISCARD = 1UL << 13;
    public const ulong VIRTIO_BLK_F_WRITE_ZEROES = 1UL << 14;

    public const uint VIRTIO_BLK_T_IN = 0;
    public const uint VIRTIO_BLK_T_OUT = 1;
    public const uint VIRTIO_BLK_T_FLUSH = 4;
    public const uint VIRTIO_BLK_T_GET_ID = 8;
    public const uint VIRTIO_BLK_T_DISCARD = 11;
    public const uint VIRTIO_BLK_T_WRITE_ZEROES = 13;

    /// <summary>Flag of a range to be zeroed: the storage may be given up.</summary>
    public const uint VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP = 1;

    /// <summary>Bytes of the identity that GET_ID gives.</summary>
    public const int VIRTIO_BLK_ID_BYTES = 20;

    // Offsets in the configuration (§5.2.4).
    public const int Capacity = 0;
    public const int SegMax = 12;
    public const int BlkSize = 20;
    public const int PhysicalBlockExp = 24;
    public const int MinIoSize = 26;
    public const int OptIoSize = 28;
    public const int Writeback = 32;
    public const int NumQueues = 34;
    public const int MaxDiscardSectors = 36;
    public const int MaxDiscardSeg = 40;
    public const int DiscardSectorAlignment = 44;
    public const int MaxWriteZeroesSectors = 48;
    public const int MaxWriteZeroesSeg = 52;
    public const int WriteZeroesMayUnmap = 56;
    public const int ConfigBytes = 60;

    /// <summary>Bytes of a request's header: type, reserved, sector (§5.2.6).</summary>
    public const int HeaderBytes = 16;

    /// <summary>Bytes of a range to discard or zero: sector, count, flags.</summary>
    public const int RangeBytes = 16;
}
