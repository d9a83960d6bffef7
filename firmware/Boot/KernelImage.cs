namespace Vmm.Firmware.Boot;

/// <summary>A kernel file, opened and recognised: a bzImage or an ELF executable. The file stays open, so that a reboot takes the same one.</summary>
public sealed class KernelImage : IDisposable
{
    private const string Payload = "its payload ";

    private KernelImage(BootFile file, SetupHeader? header, ElfImage? elf, XenNotes notes, PayloadCompression compression)
    {
        File = file;
        Header = header;
        Elf = elf;
        ElfNotes = notes;
        Compression = compression;
    }

    /// <summary>True for a bzImage, false for an ELF kernel.</summary>
    public bool IsBzImage => Header is not null;

    /// <summary>How a bzImage's payload is packed; <see cref="PayloadCompression.None"/> for an ELF kernel.</summary>
    public PayloadCompression Compression { get; }

    /// <summary>True when <see cref="Unpack"/> can read the payload.</summary>
    public bool CanUnpack => PayloadStream.CanReadCompression(Compression);

    internal BootFile File { get; }

    internal SetupHeader? Header { get; }

    internal ElfImage? Elf { get; }

    internal XenNotes ElfNotes { get; }

    /// <summary>Opens a kernel and checks its headers.</summary>
    /// <exception cref="BootException">The file cannot be read or is no kernel for x86-64.</exception>
    public static KernelImage Open(string path)
    {
        BootFile file = new("kernel", path);
        try
        {
            return Recognise(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => File.Dispose();

    /// <summary>Writes the unpacked kernel, an ELF image, to a file. An existing file is replaced only when all went well.</summary>
    /// <exception cref="BootException">The payload cannot be read, or the file not written.</exception>
    public void Unpack(string outputPath)
    {
        string temporary = $"{outputPath}.{Environment.ProcessId}.tmp";
        try
        {
            using Stream source = Header is null ? File.OpenSlice(0, File.Length) : OpenPayload(Header);
            using (FileStream output = new(temporary, FileMode.Create, FileAccess.Write)) source.CopyTo(output, 256 * 1024);
            System.IO.File.Move(temporary, outputPath, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new BootException($"unpacked kernel {outputPath}: cannot be written: {e.Message.ReplaceLineEndings(" ")}", e);
        }
        finally
        {
            System.IO.File.Delete(temporary);
        }
    }

    /// <summary>Begins to read the ELF image: the file itself, or the payload while it is unpacked.</summary>
    internal ElfReader OpenElf() => Header is null
        ? new ElfReader(File, "", File.OpenSlice(0, File.Length))
        : new ElfReader(File, Payload, OpenPayload(Header));

    private static KernelImage Recognise(BootFile file)
    {
        Span<byte> head = stackalloc byte[SetupHeader.HeadBytes];
        head = head[..file.Read(0, head)];
        if (Magic.IsElf(head))
        {
            using ElfReader reader = new(file, "", file.OpenSlice(0, file.Length));
            ElfImage elf = reader.ReadHeaders((ulong)file.Length);
            return new KernelImage(file, null, elf, reader.ReadSegments(elf, null), PayloadCompression.None);
        }

        if (!SetupHeader.IsPresent(head)) throw file.Error(Magic.Describe(head[..Math.Min(head.Length, Magic.HeadBytes)]));
        SetupHeader header = SetupHeader.Parse(file, head);
        Span<byte> payload = stackalloc byte[(int)Math.Min(Magic.HeadBytes, header.PayloadLength)];
        file.ReadExactly(header.PayloadOffset, payload);
        return new KernelImage(file, header, null, default, Magic.Compression(payload));
    }

    private PayloadStream OpenPayload(SetupHeader header) => CanUnpack
        ? PayloadStream.Open(File, header, Compression)
        : throw File.Error($"its payload cannot be unpacked here ({(Compression == PayloadCompression.Unknown ? "unknown compression" : Compression)})");
}
