namespace Vmm.Storage.Vhd;

/// <summary>Cylinders, heads and sectors per track (VHD specification 1.0, "CHS Calculation").</summary>
internal readonly record struct VhdGeometry(ushort Cylinders, byte Heads, byte SectorsPerTrack)
{
    private const ulong MostCylinders = 65535;
    private const ulong MostHeads = 16;
    private const ulong MostSectorsPerTrack = 255;

    /// <summary>The largest there is. Who reads it takes the disk's size from where it stands in bytes.</summary>
    public static VhdGeometry Largest { get; } = new((ushort)MostCylinders, (byte)MostHeads, (byte)MostSectorsPerTrack);

    public ulong Sectors => (ulong)Cylinders * Heads * SectorsPerTrack;

    /// <summary>The geometry that the specification gives to a number of sectors; it may cover fewer of them.</summary>
    public static VhdGeometry Of(ulong sectors)
    {
        sectors = Math.Min(sectors, Largest.Sectors);
        if (sectors >= MostCylinders * MostHeads * 63) return Of(sectors, MostHeads, MostSectorsPerTrack);
        ulong heads = Math.Max(4, (sectors / 17 + 1023) / 1024);
        if (heads <= MostHeads && sectors / 17 < heads * 1024) return Of(sectors, heads, 17);
        return Of(sectors, MostHeads, sectors / 31 < MostHeads * 1024 ? 31UL : 63UL);
    }

    /// <summary>The smallest geometry of the specification's that covers so many sectors, or <see cref="Largest"/>.</summary>
    public static VhdGeometry Covering(ulong sectors)
    {
        if (sectors >= Largest.Sectors) return Largest;
        for (ulong more = sectors; ; more++)
        {
            VhdGeometry geometry = Of(more);
            if (geometry.Sectors >= sectors) return geometry;
        }
    }

    private static VhdGeometry Of(ulong sectors, ulong heads, ulong sectorsPerTrack)
        => new((ushort)(sectors / sectorsPerTrack / heads), (byte)heads, (byte)sectorsPerTrack);
}
