using System.Buffers.Binary;
using System.IO.Compression;
using K4os.Compression.LZ4;
using ZstdSharp;

namespace Vmm.Firmware.Tests;

/// <summary>Makes small kernels with well-formed headers, to be loaded or to be damaged.</summary>
internal static class FakeKernel
{
    public const uint LoadAddress = 0x1000000;
    public const uint InitSize = 0x400000;
    public const int SetupBytes = 1024;
    public const int CodeHeadBytes = 0x400;
    public const int CommandLineSize = 100;
    public const int NoteOffset = 0x100;
    public const int SegmentOffset = 0x1000;

    /// <summary>A bzImage with one setup sector and a payload after its first code.</summary>
    public static byte[] BzImage(ReadOnlySpan<byte> payload)
    {
        int codeBytes = (CodeHeadBytes + payload.Length + 15) & ~15;
        byte[] image = new byte[SetupBytes + codeBytes];
        image[0x1f1] = 1;
        Put32(image, 0x1f4, (uint)codeBytes / 16);
        Put16(image, 0x1fe, 0xaa55);
        Put16(image, 0x200, 0x66eb);
        "HdrS"u8.CopyTo(image.AsSpan(0x202));
        Put16(image, 0x206, 0x020f);
        image[0x211] = 1;
        Put32(image, 0x22c, 0x7fffffff);
        Put32(image, 0x230, 0x200000);
        image[0x234] = 1;
        image[0x235] = 21;
        Put16(image, 0x236, 1);
        Put32(image, 0x238, CommandLineSize);
        Put32(image, 0x248, CodeHeadBytes);
        Put32(image, 0x24c, (uint)payload.Length);
        Put64(image, 0x258, LoadAddress);
        Put32(image, 0x260, InitSize);
        payload.CopyTo(image.AsSpan(SetupBytes + CodeHeadBytes));
        return image;
    }

    /// <summary>An ELF-64 kernel: one segment that gets <paramref name="content"/> and 0x800 zeros, and one note segment.</summary>
    public static byte[] Elf64(ReadOnlySpan<byte> content, uint physical = LoadAddress, params ReadOnlySpan<byte[]> notes)
    {
        byte[] image = new byte[SegmentOffset + content.Length];
        "\x7f"u8.CopyTo(image);
        "ELF\x2\x1\x1"u8.CopyTo(image.AsSpan(1));
        Put16(image, 16, 2);
        Put16(image, 18, 62);
        Put32(image, 20, 1);
        Put64(image, 24, physical + 0x10);
        Put64(image, 32, 64);
        Put16(image, 54, 56);
        Put16(image, 56, 2);
        ProgramHeader64(image, 64, 1, SegmentOffset, physical, (ulong)content.Length, (ulong)content.Length + 0x800);
        int noteBytes = 0;
        foreach (byte[] note in notes)
        {
            note.CopyTo(image, NoteOffset + noteBytes);
            noteBytes += note.Length;
        }

        ProgramHeader64(image, 64 + 56, 4, NoteOffset, 0, (ulong)noteBytes, (ulong)noteBytes);
        content.CopyTo(image.AsSpan(SegmentOffset));
        return image;
    }

    /// <summary>An ELF-32 kernel for i386 of the same shape.</summary>
    public static byte[] Elf32(ReadOnlySpan<byte> content, params ReadOnlySpan<byte[]> notes)
    {
        byte[] image = Elf64(content, LoadAddress, notes);
        int noteBytes = 0;
        foreach (byte[] note in notes) noteBytes += note.Length;
        image.AsSpan(4, NoteOffset - 4).Clear();
        "\x1\x1\x1"u8.CopyTo(image.AsSpan(4));
        Put16(image, 16, 2);
        Put16(image, 18, 3);
        Put32(image, 24, LoadAddress + 0x10);
        Put32(image, 28, 52);
        Put16(image, 42, 32);
        Put16(image, 44, 2);
        ProgramHeader32(image, 52, 1, SegmentOffset, LoadAddress, (uint)content.Length, (uint)content.Length + 0x800);
        ProgramHeader32(image, 52 + 32, 4, NoteOffset, 0, (uint)noteBytes, (uint)noteBytes);
        return image;
    }

    public static byte[] PvhNote(uint entry) => Note("Xen\0"u8, 18, BitConverter.GetBytes(entry));

    public static byte[] LinuxNote() => Note("Xen\0"u8, 6, "linux\0"u8);

    public static byte[] Note(ReadOnlySpan<byte> name, uint type, ReadOnlySpan<byte> description)
    {
        byte[] note = new byte[12 + ((name.Length + 3) & ~3) + ((description.Length + 3) & ~3)];
        Put32(note, 0, (uint)name.Length);
        Put32(note, 4, (uint)description.Length);
        Put32(note, 8, type);
        name.CopyTo(note.AsSpan(12));
        description.CopyTo(note.AsSpan(12 + ((name.Length + 3) & ~3)));
        return note;
    }

    public static byte[] Gzip(ReadOnlySpan<byte> bytes)
    {
        MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Optimal)) gzip.Write(bytes);
        return packed.ToArray();
    }

    /// <summary>As Linux's build packs it: with the size after the frame.</summary>
    public static byte[] Zstd(ReadOnlySpan<byte> bytes)
    {
        using Compressor compressor = new(19);
        return [.. compressor.Wrap(bytes), .. BitConverter.GetBytes(bytes.Length)];
    }

    /// <summary>As Linux's build packs it: with the size after the frame.</summary>
    public static byte[] Lz4(ReadOnlySpan<byte> bytes) => [.. Lz4Frame(bytes), .. BitConverter.GetBytes(bytes.Length)];

    public static byte[] Lz4Frame(ReadOnlySpan<byte> bytes)
    {
        MemoryStream packed = new();
        packed.Write([0x02, 0x21, 0x4c, 0x18]);
        while (!bytes.IsEmpty)
        {
            ReadOnlySpan<byte> block = bytes[..Math.Min(bytes.Length, 8 << 20)];
            byte[] target = new byte[LZ4Codec.MaximumOutputSize(block.Length)];
            int count = LZ4Codec.Encode(block, target, LZ4Level.L09_HC);
            packed.Write(BitConverter.GetBytes(count));
            packed.Write(target.AsSpan(0, count));
            bytes = bytes[block.Length..];
        }

        return packed.ToArray();
    }

    public static void Put16(byte[] image, int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(at), value);

    public static void Put32(byte[] image, int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(at), value);

    public static void Put64(byte[] image, int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(at), value);

    private static void ProgramHeader64(byte[] image, int at, uint type, ulong offset, ulong physical, ulong fileBytes, ulong memoryBytes)
    {
        Put32(image, at, type);
        Put64(image, at + 8, offset);
        Put64(image, at + 16, 0xffffffff80000000 + physical);
        Put64(image, at + 24, physical);
        Put64(image, at + 32, fileBytes);
        Put64(image, at + 40, memoryBytes);
    }

    private static void ProgramHeader32(byte[] image, int at, uint type, uint offset, uint physical, uint fileBytes, uint memoryBytes)
    {
        Put32(image, at, type);
        Put32(image, at + 4, offset);
        Put32(image, at + 8, physical);
        Put32(image, at + 12, physical);
        Put32(image, at + 16, fileBytes);
        Put32(image, at + 20, memoryBytes);
    }
}
