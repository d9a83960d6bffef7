using System.Globalization;
using Vmm.Machine.Config;
using Vmm.Storage;
using Vmm.Storage.Qcow2;

namespace Vmm.Cli;

/// <summary>The options of a new image: <c>-o cluster_size=64K,compat=1.1,…</c>, with qemu-img's names.</summary>
internal static class ImageOptions
{
    public const string Forms = "cluster_size=, compat=0.10|1.1, refcount_bits=, lazy_refcounts=on|off, compression_type=zlib|zstd, backing_file=, backing_fmt=";

    private static readonly string[] Elsewhere = ["preallocation", "encryption", "encrypt.format", "data_file", "data_file_raw", "extended_l2", "nocow", "subformat"];

    /// <summary>Reads them.</summary>
    /// <exception cref="ImageException">One is unknown, unsupported or has no good value.</exception>
    public static Qcow2CreateOptions Parse(IEnumerable<string> texts, ulong sizeBytes)
    {
        Qcow2CreateOptions options = new() { SizeBytes = sizeBytes };
        foreach (string pair in texts.SelectMany(t => t.Split(',', StringSplitOptions.RemoveEmptyEntries)))
        {
            (string key, string value) = pair.IndexOf('=', StringComparison.Ordinal) is >= 0 and int at ? (pair[..at], pair[(at + 1)..]) : (pair, "on");
            options = key switch
            {
                "cluster_size" => options with { ClusterBytes = SizeText.TryParse(value, out ulong bytes) && bytes <= int.MaxValue ? (int)bytes : throw Bad(key, value) },
                "compat" => options with { Version = value switch { "0.10" or "v2" => 2, "1.1" or "v3" => 3, _ => throw Bad(key, value) } },
                "refcount_bits" => options with { RefcountBits = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int bits) ? bits : throw Bad(key, value) },
                "lazy_refcounts" => options with { LazyRefcounts = value switch { "on" => true, "off" => false, _ => throw Bad(key, value) } },
                "compression_type" => options with { Compression = value switch { "zlib" => Qcow2Compression.Deflate, "zstd" => Qcow2Compression.Zstd, _ => throw Bad(key, value) } },
                "backing_file" => options with { BackingFile = value },
                "backing_fmt" => options with { BackingFormat = ImageFormats.Parse(value) },
                _ when Elsewhere.Contains(key) => throw new ImageException($"the option '{key}' is not supported; {Forms} are"),
                _ => throw new ImageException($"there is no option '{key}'; {Forms} are known"),
            };
        }

        return options;
    }

    private static ImageException Bad(string key, string value) => new($"'{value}' is no value for {key}");
}
