using Vmm.Machine.Config;
using Vmm.Storage;
using Vmm.Storage.Qcow2;
using Vmm.Storage.Vhd;
using Vmm.Storage.Vmdk;

namespace Vmm.Cli;

/// <summary>How a new image is made: <c>-o cluster_size=64K,compat=1.1,…</c>, with qemu-img's names and values.</summary>
internal sealed class ImageOptions
{
    /// <summary>For help texts.</summary>
    public const string Forms =
        "qcow2: cluster_size, compat, refcount_bits, lazy_refcounts, compression_type, preallocation; vpc: subformat=dynamic|fixed, force_size; "
        + "vmdk: subformat=monolithicSparse|streamOptimized, zeroed_grain; all but raw: backing_file, backing_fmt";

    private static readonly string[] Qcow2Keys = ["cluster_size", "compat", "refcount_bits", "lazy_refcounts", "compression_type", "preallocation"];
    private static readonly string[] VhdKeys = ["subformat", "force_size"];
    private static readonly string[] VmdkKeys = ["subformat", "zeroed_grain"];
    private static readonly string[] BackingKeys = ["backing_file", "backing_fmt"];

    // What qemu-img knows and this does not: a better answer than "no such option".
    private static readonly string[] Elsewhere =
        ["preallocation", "encryption", "encrypt.format", "data_file", "data_file_raw", "extended_l2", "nocow", "adapter_type", "hwversion", "compat6", "size"];

    private readonly Dictionary<string, string> _values = [];
    private readonly ImageFormat _format;

    private ImageOptions(ImageFormat format) => _format = format;

    /// <summary>The format that is made.</summary>
    public ImageFormat Format => _format;

    /// <summary>The image that is to show through, as it is to stand in the new one.</summary>
    public string? BackingFile => _values.GetValueOrDefault("backing_file");

    /// <summary>Its format. VHD and VMDK images lie only over images of their own format.</summary>
    public ImageFormat? BackingFormat => _values.TryGetValue("backing_fmt", out string? name) ? ImageFormats.Parse(name) : null;

    /// <summary>The image is written once, from another one.</summary>
    public bool IsStream => _format == ImageFormat.Vmdk && Subformat == VmdkSubformat.StreamOptimized;

    private VmdkSubformat Subformat => Choice("subformat", "monolithicSparse", ("monolithicSparse", VmdkSubformat.MonolithicSparse), ("streamOptimized", VmdkSubformat.StreamOptimized));

    /// <summary>Reads options; the last of a name counts.</summary>
    /// <exception cref="ImageException">One is unknown to the format.</exception>
    public static ImageOptions Parse(ImageFormat format, IEnumerable<string> texts, string? backingFile = null, string? backingFormat = null)
    {
        ImageOptions options = new(format);
        string[] known = format switch
        {
            ImageFormat.Qcow2 => [.. Qcow2Keys, .. BackingKeys],
            ImageFormat.Vhd => [.. VhdKeys, .. BackingKeys],
            ImageFormat.Vmdk => [.. VmdkKeys, .. BackingKeys],
            _ => [],
        };
        IEnumerable<string> pairs = texts.SelectMany(t => t.Split(',', StringSplitOptions.RemoveEmptyEntries));
        if (backingFile is not null) pairs = pairs.Append($"backing_file={backingFile}");
        if (backingFormat is not null) pairs = pairs.Append($"backing_fmt={backingFormat}");
        foreach (string pair in pairs)
        {
            (string key, string value) = pair.IndexOf('=', StringComparison.Ordinal) is >= 0 and int at ? (pair[..at], pair[(at + 1)..]) : (pair, "on");
            if (!known.Contains(key)) throw Unknown(format, key, known);
            options._values[key] = value;
        }

        return options;
    }

    /// <summary>Makes an empty image.</summary>
    /// <param name="path">A new file; what it held is lost.</param>
    /// <param name="sizeBytes">The disk's size.</param>
    /// <param name="backing">The image that is to show through; taken over.</param>
    /// <param name="ignoreFlush">Let nothing wait for the disk.</param>
    public IDiskImage Make(string path, ulong sizeBytes, IDiskImage? backing, bool ignoreFlush) => _format switch
    {
        ImageFormat.Raw => DiskImages.CreateRaw(path, sizeBytes, ignoreFlush),
        ImageFormat.Qcow2 => DiskImages.CreateQcow2(path, Qcow2(sizeBytes), backing, ignoreFlush),
        ImageFormat.Vhd => DiskImages.CreateVhd(path, Vhd(sizeBytes), backing, ignoreFlush),
        _ => DiskImages.CreateVmdk(path, Vmdk(sizeBytes), backing, ignoreFlush),
    };

    /// <summary>The options of a VMDK image.</summary>
    public VmdkCreateOptions Vmdk(ulong sizeBytes) => new() { SizeBytes = sizeBytes, Subformat = Subformat, ZeroedGrains = IsOn("zeroed_grain"), BackingFile = BackingFile };

    private static ImageException Unknown(ImageFormat format, string key, string[] known)
    {
        if (known.Length == 0) return new ImageException($"a {format.Name()} image has no options and no backing file");
        string forms = $"{string.Join(", ", known)} are known for {format.Name()}";
        return new ImageException(Elsewhere.Contains(key) ? $"the option '{key}' is not supported here; {forms}" : $"there is no option '{key}'; {forms}");
    }

    private Qcow2CreateOptions Qcow2(ulong sizeBytes) => new()
    {
        SizeBytes = sizeBytes,
        ClusterBytes = (int)Number("cluster_size", 65536),
        Version = Choice("compat", "1.1", ("0.10", 2), ("v2", 2), ("1.1", 3), ("v3", 3)),
        RefcountBits = (int)Number("refcount_bits", 16),
        LazyRefcounts = IsOn("lazy_refcounts"),
        Compression = Choice("compression_type", "zlib", ("zlib", Qcow2Compression.Deflate), ("zstd", Qcow2Compression.Zstd)),
        Preallocation = Choice("preallocation", "off",
            ("off", Qcow2Preallocation.Off), ("metadata", Qcow2Preallocation.Metadata), ("falloc", Qcow2Preallocation.Falloc), ("full", Qcow2Preallocation.Full)),
        BackingFile = BackingFile,
        BackingFormat = BackingFormat,
    };

    private VhdCreateOptions Vhd(ulong sizeBytes) => new()
    {
        SizeBytes = sizeBytes,
        IsFixed = Choice("subformat", "dynamic", ("dynamic", false), ("fixed", true)),
        ForceSize = IsOn("force_size"),
        BackingFile = BackingFile,
    };

    private bool IsOn(string key) => Choice(key, "off", ("on", true), ("off", false));

    private ulong Number(string key, ulong otherwise)
    {
        if (!_values.TryGetValue(key, out string? value)) return otherwise;
        return SizeText.TryParse(value, out ulong number) && number <= int.MaxValue ? number : throw Bad(key, value);
    }

    private T Choice<T>(string key, string otherwise, params (string Name, T Value)[] choices)
    {
        string value = _values.GetValueOrDefault(key, otherwise);
        foreach ((string name, T choice) in choices)
        {
            if (name == value) return choice;
        }

        throw new ImageException($"'{value}' is no value for {key}; {string.Join(", ", choices.Select(c => c.Name))} are");
    }

    private static ImageException Bad(string key, string value) => new($"'{value}' is no value for {key}");
}
