using System.Buffers.Binary;

namespace Vmm.Firmware.Boot;

/// <summary>
/// The headers of an ELF executable for x86 (System V gABI, ELF-64 and ELF-32), judged: segments ascend, do not overlap, and lie between
/// 1 MiB and 4 GiB. Nothing but the headers has been read.
/// </summary>
internal sealed class ElfImage
{
    /// <summary>Bytes of the file that must hold the ELF header and all program headers.</summary>
    public const int HeadBytes = 16 * 1024;

    private const int IdentClass = 4;
    private const int IdentData = 5;
    private const byte ELFCLASS32 = 1;
    private const byte ELFCLASS64 = 2;
    private const byte ELFDATA2LSB = 1;
    private const ushort ET_EXEC = 2;
    private const ushort ET_DYN = 3;
    private const ushort EM_386 = 3;
    private const ushort EM_AARCH64 = 183;
    private const ushort EM_RISCV = 243;
    private const ushort EM_X86_64 = 62;
    private const int MaxNoteBytes = 64 * 1024;

    private ElfImage(bool is64Bit, ulong entry, ElfSegment[] loads, ElfSegment[] notes)
    {
        Is64Bit = is64Bit;
        Loads = loads;
        Notes = notes;
        Entry = PhysicalEntry(entry);
    }

    public bool Is64Bit { get; }

    /// <summary>The guest-physical address of e_entry; null when it lies in no segment.</summary>
    public ulong? Entry { get; }

    /// <summary>Loadable segments, ascending by guest-physical address; at least one.</summary>
    public IReadOnlyList<ElfSegment> Loads { get; }

    /// <summary>Note segments of a sensible size.</summary>
    public IReadOnlyList<ElfSegment> Notes { get; }

    /// <summary>One past the last byte of guest memory the segments take.</summary>
    public ulong MemoryEnd => Loads[^1].MemoryEnd;

    /// <summary>Reads and checks the headers.</summary>
    /// <param name="file">For messages.</param>
    /// <param name="what">What of the file this is, with a trailing space, or nothing: begins the reason in messages.</param>
    /// <param name="head">The first bytes, up to <see cref="HeadBytes"/> or the end of the image.</param>
    /// <param name="imageBytes">The length of the image, or the most it can have.</param>
    public static ElfImage Parse(BootFile file, string what, ReadOnlySpan<byte> head, ulong imageBytes)
    {
        if (head.Length < 64) throw file.Error($"{what}is a truncated ELF file ({head.Length} bytes)");
        if (head[IdentClass] is not (ELFCLASS32 or ELFCLASS64)) throw file.Error($"{what}is an ELF file of unknown class {head[IdentClass]}");
        bool wide = head[IdentClass] == ELFCLASS64;
        if (head[IdentData] != ELFDATA2LSB) throw file.Error($"{what}is a big-endian ELF file, not for x86");
        ushort machine = Word(head, 18);
        if (machine != (wide ? EM_X86_64 : EM_386)) throw file.Error($"{what}is an ELF file for {MachineName(machine)}, not for x86-64");
        ushort type = Word(head, 16);
        if (type is not (ET_EXEC or ET_DYN)) throw file.Error($"{what}is an ELF file of type {type}, not an executable");

        ulong tableOffset = wide ? Quad(head, 32) : Long(head, 28);
        int entryBytes = Word(head, wide ? 54 : 42);
        int count = Word(head, wide ? 56 : 44);
        if (entryBytes != (wide ? 56 : 32)) throw file.Error($"{what}is an ELF file whose program headers have {entryBytes} bytes");
        if (count == 0) throw file.Error($"{what}is an ELF file with nothing to load (an object file or a stripped debug file?)");
        if (tableOffset > (ulong)head.Length || (ulong)(count * entryBytes) > (ulong)head.Length - tableOffset)
            throw file.Error($"{what}has its {count} program headers at 0x{tableOffset:x}, beyond its first {HeadBytes >> 10} KiB or its end");

        List<ElfSegment> loads = [];
        List<ElfSegment> notes = [];
        for (int i = 0; i < count; i++)
        {
            ElfSegment segment = ReadSegment(head[((int)tableOffset + (i * entryBytes))..], wide);
            if (segment.Type == ElfSegment.PT_LOAD && segment.MemoryBytes != 0)
            {
                CheckLoad(file, what, segment, imageBytes);
                loads.Add(segment);
            }
            else if (segment.Type == ElfSegment.PT_NOTE && segment.FileBytes <= MaxNoteBytes && segment.FileOffset <= imageBytes
                && segment.FileBytes <= imageBytes - segment.FileOffset)
            {
                notes.Add(segment);
            }
        }

        if (loads.Count == 0) throw file.Error($"{what}is an ELF file with nothing to load");
        loads.Sort((a, b) => a.PhysicalAddress.CompareTo(b.PhysicalAddress));
        for (int i = 1; i < loads.Count; i++)
        {
            if (loads[i].PhysicalAddress < loads[i - 1].MemoryEnd)
                throw file.Error($"{what}has segments that overlap at 0x{loads[i].PhysicalAddress:x}");
        }

        return new ElfImage(wide, wide ? Quad(head, 24) : Long(head, 24), [.. loads], [.. notes]);
    }

    private static void CheckLoad(BootFile file, string what, ElfSegment segment, ulong imageBytes)
    {
        if (segment.FileBytes > segment.MemoryBytes)
            throw file.Error($"{what}has a segment with more bytes in the file (0x{segment.FileBytes:x}) than in memory (0x{segment.MemoryBytes:x})");
        if (segment.FileOffset > imageBytes || segment.FileBytes > imageBytes - segment.FileOffset)
            throw file.Error($"{what}is truncated: a segment ends at 0x{segment.FileOffset:x} + 0x{segment.FileBytes:x}, the image at 0x{imageBytes:x}");
        if (segment.PhysicalAddress < BootLayout.HighMemory || segment.PhysicalAddress > BootLayout.FourGiB
            || segment.MemoryBytes > BootLayout.FourGiB - segment.PhysicalAddress)
            throw file.Error($"{what}has a segment at 0x{segment.PhysicalAddress:x} with 0x{segment.MemoryBytes:x} bytes, which is not between 1 MiB and 4 GiB");
    }

    private static ElfSegment ReadSegment(ReadOnlySpan<byte> entry, bool wide) => wide
        ? new ElfSegment(Long(entry, 0), Quad(entry, 8), Quad(entry, 16), Quad(entry, 24), Quad(entry, 32), Quad(entry, 40))
        : new ElfSegment(Long(entry, 0), Long(entry, 4), Long(entry, 8), Long(entry, 12), Long(entry, 16), Long(entry, 20));

    /// <summary>Linux links e_entry as a physical address; other kernels give the virtual one.</summary>
    private ulong? PhysicalEntry(ulong entry)
    {
        foreach (ElfSegment load in Loads)
        {
            if (entry - load.PhysicalAddress < load.MemoryBytes) return entry;
        }

        foreach (ElfSegment load in Loads)
        {
            if (entry - load.VirtualAddress < load.MemoryBytes) return entry - load.VirtualAddress + load.PhysicalAddress;
        }

        return null;
    }

    private static string MachineName(ushort machine) => machine switch
    {
        EM_386 => "i386",
        EM_AARCH64 => "arm64",
        EM_RISCV => "RISC-V",
        _ => $"machine type {machine}",
    };

    private static ushort Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint Long(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong Quad(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
