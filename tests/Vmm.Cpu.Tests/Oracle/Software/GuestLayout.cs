using System.Buffers.Binary;
using Vmm.Core.Hypervisor;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Tests.Oracle.Software;

/// <summary>
/// Guest-physical memory of the software side: page tables, a descriptor table with the entries that Linux has, and the data and code
/// pages, which appear at the linear addresses of <see cref="OracleLayout"/>.
/// </summary>
internal static unsafe class GuestLayout
{
    public const ulong MemorySize = 0x80000;
    public const ulong Data = 0x10000;
    public const ulong Code = 0x20000;

    private const ulong Pml4 = 0x1000;
    private const ulong Pdpt = 0x2000;
    private const ulong PageDirectory = 0x3000;
    private const ulong DataTable = 0x4000;
    private const ulong CodeTable = 0x5000;
    private const ulong HighPdpt = 0x6000;
    private const ulong HighDirectory = 0x7000;
    private const ulong HighTable = 0x8000;
    private const ulong Gdt = 0x9000;

    /// <summary>Where the descriptor table lies in the upper half, out of reach of every case.</summary>
    private const ulong GdtLinear = 0xffff_8000_0000_0000;
    private const int GdtEntries = 16;

    /// <summary>The local table lies in the same page.</summary>
    private const ulong LdtOffset = 0x800;
    private const ushort LdtSelector = 0x50;
    private const SegmentAttributes LdtType = (SegmentAttributes)2;

    private const ulong P = 1;
    private const ulong RW = 2;
    private const ulong US = 4;
    private const ulong NX = 1UL << 63;

    private static readonly (int Index, ulong Descriptor)[] Descriptors =
    [
        (1, 0x00cf_9b00_0000_ffff), (2, 0x00af_9b00_0000_ffff), (3, 0x00cf_9300_0000_ffff),
        (4, 0x00cf_fb00_0000_ffff), (5, 0x00cf_f300_0000_ffff), (6, 0x00af_fb00_0000_ffff),
    ];

    /// <summary>16-bit segments as modify_ldt makes them on the native side.</summary>
    private static readonly (ushort Selector, uint Base, uint Limit, SegmentAttributes Type)[] Locals =
    [
        (OracleLayout.LdtCode16, OracleLayout.Code, OracleLayout.Code16Limit, SegmentAttributes.Code | SegmentAttributes.WritableOrReadable),
        (OracleLayout.LdtData16, OracleLayout.Data16Base, OracleLayout.Data16Limit, SegmentAttributes.WritableOrReadable),
        (OracleLayout.LdtStack16, OracleLayout.Data16Base, OracleLayout.Stack16Limit, SegmentAttributes.WritableOrReadable),
    ];

    private const SegmentAttributes UserSegment = SegmentAttributes.Present | SegmentAttributes.S | SegmentAttributes.DplMask | SegmentAttributes.Accessed;

    /// <summary>Writes the tables.</summary>
    public static void Fill(Span<byte> memory)
    {
        Put(memory, Pml4, 0, Pdpt | P | RW | US);
        Put(memory, Pml4, 256, HighPdpt | P | RW);
        Put(memory, Pdpt, 0, PageDirectory | P | RW | US);
        Put(memory, PageDirectory, Index(OracleLayout.Data, 21), DataTable | P | RW | US);
        // Code shares the 2 MiB of the data unless the layout moves it.
        bool isApart = Index(OracleLayout.Code, 21) != Index(OracleLayout.Data, 21);
        ulong codeTable = isApart ? CodeTable : DataTable;
        if (isApart) Put(memory, PageDirectory, Index(OracleLayout.Code, 21), CodeTable | P | RW | US);
        for (int page = 0; page < OracleLayout.DataPages; page++)
        {
            if (!OracleLayout.IsDataPageMapped(page)) continue;
            ulong rights = P | US | NX | (page == OracleLayout.ReadOnlyPage ? 0 : RW);
            Put(memory, DataTable, Index(OracleLayout.Data, 12) + page, (Data + ((ulong)page * OracleLayout.PageSize)) | rights);
        }

        for (int page = 0; page < OracleLayout.CodePages; page++)
            Put(memory, codeTable, Index(OracleLayout.Code, 12) + page, (Code + ((ulong)page * OracleLayout.PageSize)) | P | US);
        Put(memory, HighPdpt, 0, HighDirectory | P | RW);
        Put(memory, HighDirectory, 0, HighTable | P | RW);
        Put(memory, HighTable, 0, Gdt | P | RW | NX);
        foreach ((int index, ulong descriptor) in Descriptors) Put(memory, Gdt, index, descriptor);
        foreach ((ushort selector, uint linearBase, uint limit, SegmentAttributes type) in Locals)
            Put(memory, Gdt + LdtOffset, selector >> 3, Descriptor(linearBase, limit, type));
    }

    /// <summary>Everything but what a case gives: control registers, tables, segments as at the start of a process.</summary>
    public static void LoadSystemState(Cpu cpu, int bitness)
    {
        CpuState* s = cpu.S;
        s->Cr0 = Cr0.PE | Cr0.MP | Cr0.ET | Cr0.NE | Cr0.WP | Cr0.AM | Cr0.PG;
        s->Cr3 = Pml4;
        s->Cr4 = Cr4.PAE | Cr4.PGE | Cr4.OSFXSR | Cr4.OSXMMEXCPT;
        s->Efer = Efer.SCE | Efer.LME | Efer.LMA | Efer.NXE;
        s->GdtBase = GdtLinear;
        s->GdtLimit = (GdtEntries * 8) - 1;
        s->IdtBase = GdtLinear;
        s->IdtLimit = 0;
        s->Ldtr = new SystemSegment
        {
            Selector = LdtSelector,
            Attributes = SegmentAttributes.Present | LdtType,
            Base = GdtLinear + LdtOffset,
            Limit = ((uint)Locals.Length * 8) - 1,
        };
        s->Tr = default;
        s->Cpl = 3;
        (ushort code, ushort data, ushort stack) = bitness switch
        {
            64 => (OracleLayout.UserCode64, (ushort)0, OracleLayout.UserData),
            32 => (OracleLayout.UserCode32, OracleLayout.UserData, OracleLayout.UserData),
            _ => (OracleLayout.LdtCode16, OracleLayout.LdtData16, OracleLayout.LdtStack16),
        };
        SetSegment(s, Seg.Es, data, 0);
        SetSegment(s, Seg.Cs, code, 0);
        SetSegment(s, Seg.Ss, stack, 0);
        SetSegment(s, Seg.Ds, data, 0);
        SetSegment(s, Seg.Fs, 0, bitness == 64 ? OracleLayout.FsBase : 0);
        SetSegment(s, Seg.Gs, 0, bitness == 64 ? OracleLayout.GsBase : 0);
    }

    // As a load of the selector would leave the register; what a null selector keeps as its base is given.
    private static void SetSegment(CpuState* s, byte segment, ushort selector, ulong nullBase)
    {
        SegmentCache cache = new() { Selector = selector, Attributes = SegmentAttributes.Unusable };
        ulong linearBase = nullBase;
        foreach ((int index, ulong descriptor) in Descriptors)
        {
            if (index << 3 != (selector & ~3)) continue;
            cache.Attributes = (SegmentAttributes)(descriptor >> 40 & 0xf0ff);
            cache.Limit = uint.MaxValue;
        }

        foreach ((ushort local, uint localBase, uint limit, SegmentAttributes type) in Locals)
        {
            if (local != selector) continue;
            cache.Attributes = UserSegment | type;
            cache.Limit = limit;
            linearBase = localBase;
        }

        CpuState.Segments(s)[segment] = cache;
        s->R[Reg.SegmentBase + segment] = linearBase;
    }

    private static ulong Descriptor(uint linearBase, uint limit, SegmentAttributes type)
        => (limit & 0xffff) | ((ulong)(limit & 0xf0000) << 32) | ((ulong)(linearBase & 0xffffff) << 16) | ((ulong)(linearBase & 0xff000000) << 32)
            | ((ulong)(UserSegment | type) << 40);

    private static int Index(ulong linear, int shift) => (int)(linear >> shift & 0x1ff);

    private static void Put(Span<byte> memory, ulong table, int index, ulong value)
        => BinaryPrimitives.WriteUInt64LittleEndian(memory[(int)(table + ((ulong)index * 8))..], value);
}
