namespace Vmm.Storage.Qcow2;

/// <summary>The bits of L1, L2 and refcount-table entries (qcow2 specification, "Cluster mapping").</summary>
internal static class Qcow2Bits
{
    /// <summary>QCOW_OFLAG_COPIED: the reference count is exactly one.</summary>
    public const ulong Copied = 1UL << 63;

    /// <summary>QCOW_OFLAG_COMPRESSED.</summary>
    public const ulong Compressed = 1UL << 62;

    /// <summary>QCOW_OFLAG_ZERO: reads as zeros, with or without a cluster behind it. Version 3.</summary>
    public const ulong Zero = 1;

    /// <summary>Bits 9 to 55.</summary>
    public const ulong OffsetMask = 0x00ff_ffff_ffff_fe00;

    public const ulong L1Reserved = ~(OffsetMask | Copied);

    public const ulong L2Reserved = ~(OffsetMask | Copied | Compressed | Zero);

    public const ulong RefcountTableReserved = 0x1ff;
}
