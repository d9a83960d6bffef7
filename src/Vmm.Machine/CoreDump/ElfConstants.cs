namespace Vmm.Machine.CoreDump;

/// <summary>What a core file needs of ELF (System V ABI, "Object Files"; x86-64 psABI).</summary>
internal static class ElfConstants
{
    public const int HeaderBytes = 64, ProgramHeaderBytes = 56, NoteHeaderBytes = 12, NoteAlignment = 4;

    public const byte ELFCLASS64 = 2, ELFDATA2LSB = 1, EV_CURRENT = 1;
    public const ushort ET_CORE = 4, EM_X86_64 = 62;
    public const uint PT_LOAD = 1, PT_NOTE = 4;
    public const uint PF_X = 1, PF_W = 2, PF_R = 4;
    public const uint NT_PRSTATUS = 1;

    /// <summary>The largest number of program headers that the header itself can say.</summary>
    public const int PN_XNUM = 0xffff;

    public static ReadOnlySpan<byte> Magic => "\u007fELF"u8;
}
