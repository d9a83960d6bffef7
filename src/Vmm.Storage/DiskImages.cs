using Vmm.Host;
using Vmm.Storage.Qcow2;
using Vmm.Storage.Vhd;
using Vmm.Storage.Vmdk;

namespace Vmm.Storage;

/// <summary>Opens and makes images.</summary>
public static class DiskImages
{
    private const int LongestChain = 64;

    /// <summary>Opens an image whose format is known.</summary>
    /// <exception cref="ImageException">It is not what was said, or cannot be used.</exception>
    /// <exception cref="LinuxException">The file cannot be opened, or is in use.</exception>
    public static IDiskImage Open(string path, ImageFormat format, ImageOpenOptions options)
        => Open(path, format, options, []);

    /// <summary>Opens an image for reading, without what lies below it: that shows as zeros. In use or not.</summary>
    public static IDiskImage OpenAlone(string path, ImageFormat format)
    {
        HostImageFile file = new(BlockFile.Open(path, readOnly: true, ignoreLocks: true));
        return Guard(file, () => OpenAlone(file, format, name => Beside(path, name, new ImageOpenOptions { ReadOnly = true, IgnoreLocks = true })));
    }

    /// <summary>Makes an empty raw image. A block device keeps its size, which must do.</summary>
    public static IDiskImage CreateRaw(string path, ulong sizeBytes, bool ignoreFlush = false)
    {
        HostImageFile file = new(BlockFile.Create(path), ignoreFlush);
        return Guard(file, () =>
        {
            if (sizeBytes % 512 != 0 || sizeBytes > long.MaxValue) throw new ImageException("a disk has a whole number of 512-byte sectors");
            if (!file.File.IsBlockDevice) file.SetLength(sizeBytes);
            else if (file.Length < sizeBytes) throw new ImageException($"{path} has {file.Length} bytes; {sizeBytes} are needed");
            return new RawImage(file);
        });
    }

    /// <summary>Makes an empty qcow2 image.</summary>
    /// <param name="path">A new file; what it held is lost.</param>
    /// <param name="options">How.</param>
    /// <param name="backing">The image that is to show through, opened already; taken over.</param>
    /// <param name="ignoreFlush">See <see cref="ImageOpenOptions.IgnoreFlush"/>.</param>
    public static IDiskImage CreateQcow2(string path, Qcow2CreateOptions options, IDiskImage? backing = null, bool ignoreFlush = false)
    {
        HostImageFile file = new(BlockFile.Create(path), ignoreFlush);
        return Guard(file, () =>
        {
            if (backing is not null && options.Preallocation != Qcow2Preallocation.Off) throw new ImageException("a preallocated image would hide its backing file");
            Qcow2Image image = new(file, Qcow2Creator.Create(file, options), backing, Qcow2OpenMode.Use);
            image.Preallocate(options.Preallocation);
            return image;
        });
    }

    /// <summary>Makes an empty VHD image.</summary>
    /// <param name="path">A new file; what it held is lost.</param>
    /// <param name="options">How.</param>
    /// <param name="parent">The image that is to show through, opened already; taken over.</param>
    /// <param name="ignoreFlush">See <see cref="ImageOpenOptions.IgnoreFlush"/>.</param>
    public static IDiskImage CreateVhd(string path, VhdCreateOptions options, IDiskImage? parent = null, bool ignoreFlush = false)
    {
        if (parent is not null and not IVhdImage) throw new ImageException($"{parent.Name}: the parent of a VHD image is a VHD image itself");
        HostImageFile file = new(BlockFile.Create(path), ignoreFlush);
        return Guard(file, () =>
        {
            VhdCreator.Create(file, options, (parent as IVhdImage)?.Footer, DateTimeOffset.UtcNow);
            return VhdImages.Open(file, ImageOpenMode.Use, parent is null ? null : _ => parent);
        });
    }

    /// <summary>Makes an empty VMDK image in one file.</summary>
    /// <param name="path">A new file; what it held is lost.</param>
    /// <param name="options">How.</param>
    /// <param name="parent">The image that is to show through, opened already; taken over.</param>
    /// <param name="ignoreFlush">See <see cref="ImageOpenOptions.IgnoreFlush"/>.</param>
    public static IDiskImage CreateVmdk(string path, VmdkCreateOptions options, IDiskImage? parent = null, bool ignoreFlush = false)
    {
        if (parent is not null and not IVmdkImage { Descriptor: not null }) throw new ImageException($"{parent.Name}: the parent of a VMDK image is a VMDK image itself");
        HostImageFile file = new(BlockFile.Create(path), ignoreFlush);
        return Guard(file, () =>
        {
            VmdkCreator.Create(file, options, (parent as IVmdkImage)?.Descriptor);
            return VmdkImages.Open(file, ImageOpenMode.Use, parent is null ? null : _ => parent, _ => throw new ImageException("a new image is in one file"));
        });
    }

    /// <summary>Puts a layer over an image that takes all writes and is gone at the end.</summary>
    /// <param name="below">Opened for reading; taken over.</param>
    /// <param name="folder">Where the layer's bytes lie; they have no name there.</param>
    public static IDiskImage Overlay(IDiskImage below, string folder)
    {
        HostImageFile file = new(BlockFile.CreateNameless(folder), ignoreFlush: true);
        return Guard(file, () => new Qcow2Image(file, Qcow2Creator.Create(file, new Qcow2CreateOptions { SizeBytes = below.SizeBytes }), below, Qcow2OpenMode.Use));
    }

    /// <summary>A format that a raw file's first bytes look like; for a warning, never for a decision.</summary>
    public static string? LooksLike(string path, ImageOpenOptions? options = null)
    {
        using BlockFile file = ((options ?? new()) with { IgnoreLocks = true }).OpenFile(path, readOnly: true);
        byte[] head = new byte[8];
        if (file.Read(0, head) != 0) return null;
        return head switch
        {
            [0x51, 0x46, 0x49, 0xfb, ..] => "qcow2",
            [(byte)'K', (byte)'D', (byte)'M', (byte)'V', ..] => "vmdk",
            [(byte)'c', (byte)'o', (byte)'n', (byte)'e', (byte)'c', (byte)'t', (byte)'i', (byte)'x'] => "vpc",
            [(byte)'v', (byte)'h', (byte)'d', (byte)'x', ..] => "vhdx",
            _ => null,
        };
    }

    internal static IDiskImage OpenAlone(IImageFile file, ImageFormat format, Func<string, IImageFile> openExtent) => format switch
    {
        ImageFormat.Raw => new RawImage(file),
        ImageFormat.Qcow2 => new Qcow2Image(file, Qcow2Header.Read(file), null, Qcow2OpenMode.Use),
        ImageFormat.Vhd => VhdImages.Open(file, ImageOpenMode.Use, openParent: null),
        _ => VmdkImages.Open(file, ImageOpenMode.Use, openParent: null, openExtent),
    };

    internal static IDiskImage OpenQcow2(IImageFile file, IDiskImage? backing, Qcow2OpenMode mode = Qcow2OpenMode.Use)
        => Guard(file, () => new Qcow2Image(file, Qcow2Header.Read(file), backing, mode));

    /// <summary>Opens a qcow2 image for looking at what may be broken.</summary>
    internal static Qcow2Image OpenForCheck(string path, bool readOnly)
    {
        HostImageFile file = new(BlockFile.Open(path, readOnly));
        return Guard(file, () => new Qcow2Image(file, Qcow2Header.Read(file), null, Qcow2OpenMode.Check));
    }

    private static IDiskImage Open(string path, ImageFormat format, ImageOpenOptions options, List<(ulong, ulong)> chain)
    {
        BlockFile host = options.OpenFile(path, options.ReadOnly, options.Direct);
        HostImageFile file = new(host, options.IgnoreFlush);
        return Guard<IDiskImage>(file, () =>
        {
            if (chain.Contains(host.Identity)) throw new ImageException($"{path} is its own backing file");
            if (chain.Count == LongestChain) throw new ImageException($"{path}: more than {LongestChain} backing files");
            chain = [.. chain, host.Identity];
            if (format == ImageFormat.Raw) return new RawImage(file);
            if (format == ImageFormat.Vhd) return VhdImages.Open(file, ImageOpenMode.Use, parent => OpenBacking(path, parent, ImageFormat.Vhd, options, chain));
            if (format == ImageFormat.Vmdk)
            {
                return VmdkImages.Open(file, ImageOpenMode.Use, parent => OpenBacking(path, parent, ImageFormat.Vmdk, options, chain), name => options.AllowBacking
                    ? Beside(path, name, options)
                    : throw new ImageException($"{path} is made of other files ('{name}'), which must be allowed (backing=on, --backing)"));
            }

            Qcow2Header header = Qcow2Header.Read(file);
            return new Qcow2Image(file, header, OpenBacking(path, header, options, chain), Qcow2OpenMode.Use);
        });
    }

    /// <summary>A file in the same folder.</summary>
    private static HostImageFile Beside(string path, string name, ImageOpenOptions options)
        => new(options.OpenFile(Path.Combine(Path.GetDirectoryName(path) ?? "", name), options.ReadOnly), options.IgnoreFlush);

    private static IDiskImage? OpenBacking(string path, Qcow2Header header, ImageOpenOptions options, List<(ulong, ulong)> chain)
    {
        if (header.BackingFile is null) return null;
        ImageFormat? format = header.BackingFormat is null ? null : ImageFormats.Parse(header.BackingFormat);
        return OpenBacking(path, header.BackingFile, format, options, chain);
    }

    private static IDiskImage OpenBacking(string path, string name, ImageFormat? format, ImageOpenOptions options, List<(ulong, ulong)> chain)
    {
        if (!options.AllowBacking) throw new ImageException($"{path} has the backing file '{name}', which must be allowed (backing=on, --backing)");
        if (format is not { } known)
            throw new ImageException($"{path} does not say the format of its backing file '{name}', and it is not guessed: a guest could have written any header");
        if (name.Contains('\0', StringComparison.Ordinal) || (name.Contains(':', StringComparison.Ordinal) && !name.Contains('/', StringComparison.Ordinal)))
            throw new ImageException($"{path}: the backing file '{name}' is no path, and nothing else is supported");
        string below = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, name);
        return Open(below, known, options with { ReadOnly = true }, chain);
    }

    private static T Guard<T>(IImageFile file, Func<T> open)
    {
        try
        {
            return open();
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
