namespace Vmm.Firmware.Boot;

/// <summary>How the payload of a bzImage is packed.</summary>
public enum PayloadCompression
{
    /// <summary>No payload known here.</summary>
    Unknown,

    /// <summary>An ELF image as it is.</summary>
    None,
    Gzip,

    /// <summary>The LZ4 legacy frame.</summary>
    Lz4,
    Zstd,
    Bzip2,
    Lzma,
    Xz,
    Lzo,
}
