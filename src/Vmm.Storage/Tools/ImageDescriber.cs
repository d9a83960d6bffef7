using System.Globalization;
using Vmm.Host;
using Vmm.Storage.Qcow2;
using Vmm.Storage.Vhd;
using Vmm.Storage.Vmdk;

namespace Vmm.Storage.Tools;

/// <summary>Headers in words, without opening the disk: damaged images have one, too.</summary>
public static class ImageDescriber
{
    /// <summary>What the header says.</summary>
    /// <exception cref="ImageException">It is none.</exception>
    public static ImageDetails Describe(string path, ImageFormat format)
    {
        using HostImageFile file = new(BlockFile.Open(path, readOnly: true, ignoreLocks: true));
        return Describe(file, format);
    }

    internal static ImageDetails Describe(IImageFile file, ImageFormat format) => format switch
    {
        ImageFormat.Raw => new ImageDetails(),
        ImageFormat.Qcow2 => OfQcow2(Qcow2Header.Read(file)),
        ImageFormat.Vhd => OfVhd(file),
        _ => OfVmdk(file),
    };

    private static ImageDetails OfQcow2(Qcow2Header header)
    {
        string compat = header.Version == 2 ? "0.10" : "1.1";
        string compression = header.Compression == Qcow2Compression.Zstd ? "zstd" : "zlib";
        bool isLazy = (header.Compatible & Qcow2Compatible.LazyRefcounts) != 0;
        bool isDirty = (header.Incompatible & Qcow2Incompatible.Dirty) != 0;
        bool isCorrupt = (header.Incompatible & Qcow2Incompatible.Corrupt) != 0;
        string marks = string.Join(", ", new[]
        {
            isDirty ? "dirty" : "", isCorrupt ? "corrupt" : "", isLazy ? "lazy refcounts" : "", header.HasExtendedL2 ? "subclusters" : "", header.HasBitmaps ? "bitmaps" : "",
        }.Where(m => m.Length != 0));
        return new ImageDetails
        {
            Lines =
            [
                ("version", $"{header.Version} (compat {compat})"), ("cluster size", Bytes((ulong)header.ClusterBytes)), ("refcount bits", Text(1UL << header.RefcountOrder)),
                ("compression", compression), .. marks.Length == 0 ? Array.Empty<(string, string)>() : [("marks", marks)],
            ],
            Fields =
            [
                ("cluster-size", (long)header.ClusterBytes), ("compat", compat), ("refcount-bits", 1L << header.RefcountOrder), ("compression-type", compression),
                ("lazy-refcounts", isLazy), ("extended-l2", header.HasExtendedL2), ("bitmaps", header.HasBitmaps), ("dirty-flag", isDirty), ("corrupt", isCorrupt),
            ],
            BackingFile = header.BackingFile,
            BackingFormat = header.BackingFormat,
        };
    }

    private static ImageDetails OfVhd(IImageFile file)
    {
        VhdFooter footer = VhdFooters.Find(file);
        VhdHeader? header = footer.DiskType == VhdDiskType.Fixed ? null : VhdHeader.Read(file, footer);
        bool isDifferencing = footer.DiskType == VhdDiskType.Differencing;
        string subformat = footer.DiskType.ToString().ToLowerInvariant();
        VhdGeometry geometry = footer.Geometry;
        return new ImageDetails
        {
            Lines =
            [
                ("subformat", subformat), ("made by", footer.Creator.TrimEnd(' ', '\0')),
                ("geometry", $"{geometry.Cylinders}/{geometry.Heads}/{geometry.SectorsPerTrack}{(footer.IsSizedByGeometry ? ", which is the size" : "")}"),
                .. header is null ? Array.Empty<(string, string)>() : [("cluster size", Bytes(header.BlockBytes))],
            ],
            Fields =
            [
                ("subformat", subformat), ("creator", footer.Creator.TrimEnd(' ', '\0')), ("force-size", !footer.IsSizedByGeometry),
                .. header is null ? Array.Empty<(string, object)>() : [("cluster-size", (long)header.BlockBytes)],
            ],
            BackingFile = isDifferencing ? VhdParent.PathOf(file, header!) : null,
            BackingFormat = isDifferencing ? ImageFormat.Vhd.Name() : null,
        };
    }

    private static ImageDetails OfVmdk(IImageFile file)
    {
        bool isAlone = VmdkDescriptor.IsDescriptor(file);
        VmdkHeader? header = isAlone ? null : VmdkHeader.Read(file);
        VmdkDescriptor? descriptor = isAlone ? VmdkDescriptor.Read(file, 0, Math.Min(file.Length, 64 << 10))
            : header!.DescriptorSector == 0 ? null : VmdkDescriptor.Read(file, header.DescriptorSector * 512, header.DescriptorSectors * 512);
        bool hasParent = descriptor is not null && descriptor.ParentCid != VmdkDescriptor.NoParent;
        string type = descriptor?.CreateType ?? "extent";
        return new ImageDetails
        {
            Lines =
            [
                ("subformat", type), ("content ID", $"{descriptor?.Cid:x8}"),
                .. header is null ? Array.Empty<(string, string)>() : [("version", Text(header.Version)), ("cluster size", Bytes(header.GrainBytes)), ("compression", header.IsCompressed ? "zlib" : "none")],
                .. isAlone ? descriptor!.Extents.Select(e => ("extent", $"{e.Kind} {Bytes(e.Sectors * 512)} {e.File}")) : [],
            ],
            Fields =
            [
                ("create-type", type), ("cid", (long)(descriptor?.Cid ?? 0)), ("parent-cid", (long)(descriptor?.ParentCid ?? VmdkDescriptor.NoParent)),
                .. header is null ? Array.Empty<(string, object)>() : [("cluster-size", (long)header.GrainBytes), ("compressed", header.IsCompressed)],
            ],
            BackingFile = hasParent ? descriptor!.ParentHint : null,
            BackingFormat = hasParent ? ImageFormat.Vmdk.Name() : null,
        };
    }

    private static string Text(ulong number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Bytes(ulong bytes) => bytes % (1 << 20) == 0 ? $"{bytes >> 20}M" : bytes % 1024 == 0 ? $"{bytes >> 10}K" : $"{bytes} bytes";
}
