using Vmm.Control.Domains;
using Vmm.Machine.Config;
using Vmm.Storage;
using Vmm.Storage.Qcow2;
using Vmm.Storage.Tools;

namespace Vmm.Cli.Domains;

/// <summary>The disks of a clone. Those that a guest cannot write are shared; of the others each gets its own.</summary>
/// <param name="source">The name of the domain that is cloned.</param>
/// <param name="name">The clone's name.</param>
/// <param name="folder">Where new images go; null for beside the old ones.</param>
/// <param name="isOverlay">They lie over the old ones instead of being copies.</param>
internal sealed class DiskCloner(string source, string name, string? folder, bool isOverlay)
{
    /// <summary>The clone's disk for one of the source's.</summary>
    public DiskConfig Plan(DiskConfig disk)
    {
        if (disk.ReadOnly) return disk;
        string path = PathOf(disk);
        return isOverlay ? disk with { Path = path, Format = ImageFormat.Qcow2.Name(), AllowBacking = true } : disk with { Path = path, AllowBacking = false };
    }

    /// <summary>Finds out what would go wrong.</summary>
    /// <exception cref="DomainException">The new image cannot be made.</exception>
    /// <exception cref="ImageException">The old one cannot be read.</exception>
    public void Check(DiskConfig from, DiskConfig to)
    {
        if (from.ReadOnly) return;
        if (File.Exists(to.Path)) throw new DomainException($"{to.Path} is there already");
        if (folder is null && to.Path.StartsWith("/dev/", StringComparison.Ordinal)) throw new DomainException($"{from.Path} is a device: say with --folder where its image is to go");
        if (!Directory.Exists(Path.GetDirectoryName(to.Path))) throw new DomainException($"there is no folder {Path.GetDirectoryName(to.Path)}");
        Open(from).Dispose();
    }

    /// <summary>Makes the new image, which is removed again when that fails.</summary>
    /// <exception cref="ImageException">It cannot be made.</exception>
    public void Make(DiskConfig from, DiskConfig to)
    {
        if (from.ReadOnly) return;
        StandardError.Note(isOverlay ? $"{to.Path} lies over {from.Path}, which must not change any more" : $"copying {from.Path} to {to.Path}");
        bool isDone = false;
        try
        {
            if (isOverlay) MakeOverlay(from, to);
            else Copy(from, to);
            isDone = true;
        }
        finally
        {
            if (!isDone) File.Delete(to.Path);
        }
    }

    private static IDiskImage Open(DiskConfig disk)
        => DiskImages.Open(disk.Path, ImageFormats.Parse(disk.Format), new ImageOpenOptions { ReadOnly = true, AllowBacking = disk.AllowBacking });

    private static void MakeOverlay(DiskConfig from, DiskConfig to)
    {
        using IDiskImage below = Open(from);
        Qcow2CreateOptions options = new()
        {
            SizeBytes = below.SizeBytes,
            BackingFile = Path.GetFullPath(from.Path),
            BackingFormat = ImageFormats.Parse(from.Format),
        };
        DiskImages.CreateQcow2(to.Path, options, below).Dispose();
    }

    private static void Copy(DiskConfig from, DiskConfig to)
    {
        using IDiskImage source = Open(from);
        using IDiskImage target = ImageOptions.Parse(ImageFormats.Parse(to.Format), []).Make(to.Path, source.SizeBytes, backing: null, ignoreFlush: false);
        using ProgressBar bar = new();
        ImageConverter.Copy(source, target, false, bar.Report);
    }

    /// <summary>web.qcow2 of the domain "web" becomes web2.qcow2 of "web2"; a file of another name gets the clone's name and the disk's.</summary>
    private string PathOf(DiskConfig disk)
    {
        string file = Path.GetFileNameWithoutExtension(disk.Path), extension = isOverlay ? ".qcow2" : Path.GetExtension(disk.Path);
        int at = file.IndexOf(source, StringComparison.Ordinal), end = at + source.Length;
        bool isWord = at >= 0 && (at == 0 || !char.IsLetterOrDigit(file[at - 1])) && (end == file.Length || !char.IsLetterOrDigit(file[end]));
        string renamed = isWord ? file[..at] + name + file[end..] : $"{name}-{disk.Id}";
        return Path.Combine(Path.GetFullPath(folder ?? Path.GetDirectoryName(Path.GetFullPath(disk.Path))!), renamed + extension);
    }
}
