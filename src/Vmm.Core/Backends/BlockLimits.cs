namespace Vmm.Core.Backends;

/// <summary>What a disk does best. Any offset and length works all the same.</summary>
/// <param name="PhysicalBlockBytes">Smaller or misaligned writes cost a read: a power of two, at least a sector.</param>
/// <param name="OptimalIoBytes">A good size for large transfers; 0 for none.</param>
/// <param name="DiscardBytes">The unit in which storage is given back: a multiple of a sector.</param>
public readonly record struct BlockLimits(uint PhysicalBlockBytes, uint OptimalIoBytes, uint DiscardBytes)
{
    /// <summary>Nothing is known.</summary>
    public static BlockLimits Sectors => new(IBlockBackend.SectorBytes, 0, IBlockBackend.SectorBytes);
}
