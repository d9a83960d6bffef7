namespace Vmm.Firmware.Boot;

/// <summary>A program header (System V gABI, "Program Header"): a loadable segment or a note segment.</summary>
internal readonly record struct ElfSegment(uint Type, ulong FileOffset, ulong VirtualAddress, ulong PhysicalAddress, ulong FileBytes, ulong MemoryBytes)
{
    public const uint PT_LOAD = 1;
    public const uint PT_NOTE = 4;

    /// <summary>One past the last byte of guest memory it takes.</summary>
    public ulong MemoryEnd => PhysicalAddress + MemoryBytes;

    /// <summary>One past its last byte in the file.</summary>
    public ulong FileEnd => FileOffset + FileBytes;
}
