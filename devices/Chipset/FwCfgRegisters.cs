namespace Vmm.Devices.Chipset;

/// <summary>Port offsets from 0x510 (QEMU docs/specs/fw_cfg).</summary>
internal static class FwCfgPort
{
    public const int Selector = 0;
    public const int Data = 1;
    public const int DmaHigh = 4;
    public const int DmaLow = 8;
}

/// <summary>Well-known items.</summary>
internal static class FwCfgKey
{
    public const ushort SIGNATURE = 0x0000;
    public const ushort ID = 0x0001;
    public const ushort FILE_DIR = 0x0019;
    public const ushort FILE_FIRST = 0x0020;
}

/// <summary>Bits of the ID item.</summary>
[Flags]
internal enum FwCfgFeatures : uint
{
    Traditional = 1 << 0,
    Dma = 1 << 1,
}

/// <summary>The control word of a DMA request; the key stands in the upper 16 bits.</summary>
[Flags]
internal enum FwCfgDma : uint
{
    Error = 1 << 0,
    Read = 1 << 1,
    Skip = 1 << 2,
    Select = 1 << 3,
    Write = 1 << 4,
}
