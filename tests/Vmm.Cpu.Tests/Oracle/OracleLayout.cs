namespace Vmm.Cpu.Tests.Oracle;

/// <summary>
/// Where things lie in the low 2 GiB of the test process, and at the same linear addresses in the interpreter's guest: code and
/// memory operands then have equal addresses on both sides. The state block, the stubs and the signal stack exist natively only.
/// </summary>
internal static class OracleLayout
{
    public const uint PageSize = 4096;

    /// <summary>The native side's own pages: state block, signal stack, emitted stubs.</summary>
    public const uint Private = 0x0fe0_0000;
    public const uint PrivateSize = 0x40000;
    public const uint StateBlock = Private;
    public const uint StateBlockSize = 0x4000;
    public const uint SignalStack = Private + 0x10000;
    public const uint SignalStackSize = 0x20000;
    public const uint Stubs = Private + 0x30000;
    public const uint StubsSize = 0x4000;

    /// <summary>Everything an instruction under test may reach: reserved as a whole, so that what is not data or code is surely unmapped.</summary>
    public const uint Arena = 0x0ff0_0000;
    public const uint ArenaSize = 0x40_0000;

    /// <summary>Eight pages: four writable, one read-only, one hole, two writable.</summary>
    public const uint Data = 0x1000_0000;
    public const int DataPages = 8;
    public const uint DataSize = DataPages * PageSize;
    public const int ReadOnlyPage = 4;
    public const int HolePage = 5;

    /// <summary>Executable pages, full of HLT but for the case's own bytes. Readable, not writable.</summary>
    public const uint Code = 0x1010_0000;
    public const int CodePages = 15;
    public const uint CodeSize = CodePages * PageSize;

    /// <summary>What GS and FS overrides add in 64-bit code.</summary>
    public const uint FsBase = Data + 0x1230;
    public const uint GsBase = Data + 0x2348;

    /// <summary>The selectors that Linux gives 64-bit and compatibility-mode processes.</summary>
    public const ushort UserCode64 = 0x33;
    public const ushort UserCode32 = 0x23;
    public const ushort UserData = 0x2b;

    /// <summary>16-bit segments, in the local descriptor table. Offsets in the data segment begin below the data pages and its limit is their end.</summary>
    public const ushort LdtCode16 = 0x07;
    public const ushort LdtData16 = 0x0f;
    public const ushort LdtStack16 = 0x17;
    public const uint Code16Limit = 0xffff;
    public const uint Data16Base = Data - 0x4000;
    public const uint Data16Limit = 0x4000 + DataSize - 1;
    public const uint Stack16Limit = 0xffff;

    /// <summary>HLT: at CPL 3 it faults at a known address, which ends a case that branched.</summary>
    public const byte Hlt = 0xf4;

    public static bool IsDataPageMapped(int page) => page is >= 0 and < DataPages and not HolePage;

    /// <summary>True for an access within one writable page.</summary>
    public static bool IsWritableData(ulong address, ulong size)
    {
        ulong page = (address - Data) / PageSize;
        return page < DataPages && page is not (ReadOnlyPage or HolePage) && (address % PageSize) + size <= PageSize;
    }

    /// <summary>True where an access of the size neither leaves the arena nor comes near its edge.</summary>
    public static bool InArena(ulong address, ulong size) => size < 0x10000 && address >= Arena + 0x10000 && address <= Code - 0x10000 - size;
}
