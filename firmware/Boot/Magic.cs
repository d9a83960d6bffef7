namespace Vmm.Firmware.Boot;

/// <summary>What the first bytes of a file say about it.</summary>
internal static class Magic
{
    /// <summary>Bytes that are enough to judge.</summary>
    public const int HeadBytes = 64;

    private static ReadOnlySpan<byte> Gzip => [0x1f, 0x8b];

    private static ReadOnlySpan<byte> Lz4Legacy => [0x02, 0x21, 0x4c, 0x18];

    private static ReadOnlySpan<byte> Zstd => [0x28, 0xb5, 0x2f, 0xfd];

    private static ReadOnlySpan<byte> Xz => [0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0];

    private static ReadOnlySpan<byte> Lzma => [0x5d, 0, 0];

    private static ReadOnlySpan<byte> Lzo => [0x89, (byte)'L', (byte)'Z', (byte)'O'];

    private static ReadOnlySpan<byte> Arm64 => "ARM\x64"u8;

    /// <summary>True for an ELF file.</summary>
    public static bool IsElf(ReadOnlySpan<byte> head) => head.StartsWith("\x7f"u8) && head[1..].StartsWith("ELF"u8);

    /// <summary>The compression these bytes begin with; <see cref="PayloadCompression.Unknown"/> for all else.</summary>
    public static PayloadCompression Compression(ReadOnlySpan<byte> head)
    {
        if (IsElf(head)) return PayloadCompression.None;
        if (head.StartsWith(Gzip)) return PayloadCompression.Gzip;
        if (head.StartsWith(Lz4Legacy)) return PayloadCompression.Lz4;
        if (head.StartsWith(Zstd)) return PayloadCompression.Zstd;
        if (head.StartsWith(Xz)) return PayloadCompression.Xz;
        if (head.StartsWith("BZh"u8)) return PayloadCompression.Bzip2;
        if (head.StartsWith(Lzo)) return PayloadCompression.Lzo;
        return head.StartsWith(Lzma) ? PayloadCompression.Lzma : PayloadCompression.Unknown;
    }

    /// <summary>True for a cpio archive in the form an initramfs has.</summary>
    public static bool IsCpio(ReadOnlySpan<byte> head) => head.StartsWith("070701"u8) || head.StartsWith("070702"u8);

    /// <summary>Says in words what a file is that is no kernel.</summary>
    public static string Describe(ReadOnlySpan<byte> head)
    {
        if (head.Length > 60 && head[56..].StartsWith(Arm64)) return "is an arm64 kernel";
        if (IsCpio(head)) return "is a cpio archive, perhaps the initrd";
        if (head.StartsWith("#!"u8)) return "is a script";
        if (head.StartsWith("!<arch>"u8)) return "is a package or library archive";
        if (head.StartsWith("QFI"u8)) return "is a qcow2 disk image";
        PayloadCompression compression = Compression(head);
        if (compression is not (PayloadCompression.Unknown or PayloadCompression.None)) return $"is a {compression} file; unpack it first";
        if (head.StartsWith("MZ"u8)) return "is an EFI or DOS program without Linux's setup header";
        return IsText(head) ? "is a text file" : "is neither a bzImage nor an ELF kernel";
    }

    private static bool IsText(ReadOnlySpan<byte> head)
    {
        foreach (byte b in head)
        {
            if (b is < 0x20 and not ((byte)'\t' or (byte)'\n' or (byte)'\r') or 0x7f) return false;
        }

        return true;
    }
}
