using System.Buffers.Binary;

namespace Vmm.Firmware.Boot;

/// <summary>What the notes of a kernel say about its PVH entry (Xen public/elfnote.h).</summary>
internal readonly record struct XenNotes
{
    private const uint XEN_ELFNOTE_GUEST_OS = 6;
    private const uint XEN_ELFNOTE_PHYS32_ENTRY = 18;
    private const int NoteHeaderBytes = 12;

    /// <summary>The 32-bit entry's guest-physical address; null without one.</summary>
    public ulong? PvhEntry { get; private init; }

    /// <summary>True when the kernel calls itself Linux.</summary>
    public bool IsLinux { get; private init; }

    /// <summary>Adds what one note segment says. Damaged notes end the reading.</summary>
    public XenNotes With(ReadOnlySpan<byte> segment)
    {
        XenNotes result = this;
        while (segment.Length >= NoteHeaderBytes)
        {
            uint nameBytes = BinaryPrimitives.ReadUInt32LittleEndian(segment);
            uint descriptionBytes = BinaryPrimitives.ReadUInt32LittleEndian(segment[4..]);
            uint type = BinaryPrimitives.ReadUInt32LittleEndian(segment[8..]);
            segment = segment[NoteHeaderBytes..];
            if (nameBytes > segment.Length) break;
            ReadOnlySpan<byte> name = segment[..(int)nameBytes];
            segment = segment[(int)Math.Min(Aligned(nameBytes), (ulong)segment.Length)..];
            if (descriptionBytes > segment.Length) break;
            ReadOnlySpan<byte> description = segment[..(int)descriptionBytes];
            segment = segment[(int)Math.Min(Aligned(descriptionBytes), (ulong)segment.Length)..];
            if (name.SequenceEqual("Xen\0"u8)) result = result.With(type, description);
        }

        return result;
    }

    private XenNotes With(uint type, ReadOnlySpan<byte> description) => type switch
    {
        XEN_ELFNOTE_PHYS32_ENTRY when description.Length >= 8 => this with { PvhEntry = BinaryPrimitives.ReadUInt64LittleEndian(description) },
        XEN_ELFNOTE_PHYS32_ENTRY when description.Length >= 4 => this with { PvhEntry = BinaryPrimitives.ReadUInt32LittleEndian(description) },
        XEN_ELFNOTE_GUEST_OS when description.StartsWith("linux"u8) => this with { IsLinux = true },
        _ => this,
    };

    private static ulong Aligned(uint bytes) => (bytes + 3UL) & ~3UL;
}
