using System.Buffers.Binary;
using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;

namespace Vmm.Firmware.Boot;

/// <summary>The 64-bit Linux entry: boot_params and the processor's state (boot.rst, "64-bit Boot Protocol"; Documentation/arch/x86/zero-page.rst).</summary>
internal static class LinuxEntry
{
    // boot_params
    private const int AcpiRsdpAddress = 0x070;
    private const int E820Entries = 0x1e8;
    private const int E820Table = 0x2d0;
    private const int E820EntryBytes = 20;
    private const int E820TableEntries = 128;
    private const int BootFlag = 0x1fe;
    private const int HeaderMagic = 0x202;
    private const int Version = 0x206;
    private const int TypeOfLoader = 0x210;
    private const int LoadFlagsOffset = 0x211;
    private const int RamdiskImage = 0x218;
    private const int RamdiskSize = 0x21c;
    private const int CmdLinePtr = 0x228;
    private const int SetupData = 0x250;

    private const byte LoaderUndefined = 0xff;
    private const int Rsp = 4;
    private const int Rsi = 6;

    /// <summary>Writes boot_params and everything the entry needs, and sets the state.</summary>
    /// <param name="memory">The guest's memory; kernel, initrd and command line are there already.</param>
    /// <param name="header">The bzImage's header; null for an ELF kernel that never had one.</param>
    /// <param name="handover">What to tell.</param>
    /// <param name="entry">The first instruction.</param>
    public static VcpuState Prepare(GuestMemory memory, SetupHeader? header, Handover handover, GuestAddress entry)
    {
        byte[] page = new byte[GuestAddress.PageSize];
        if (header is not null) header.Bytes.CopyTo(page.AsSpan(SetupHeader.Offset));
        else WriteMinimalHeader(page);

        page[TypeOfLoader] = LoaderUndefined;
        LoadFlags flags = (LoadFlags)page[LoadFlagsOffset] & ~(LoadFlags.KASLR_FLAG | LoadFlags.CAN_USE_HEAP);
        page[LoadFlagsOffset] = (byte)(flags | LoadFlags.LOADED_HIGH);
        Long(page, CmdLinePtr, (uint)BootLayout.CommandLine);
        if (handover.InitrdBytes != 0)
        {
            Long(page, RamdiskImage, (uint)handover.Initrd.Value);
            Long(page, RamdiskSize, (uint)handover.InitrdBytes);
        }

        Quad(page, SetupData, 0);
        if (handover.Rsdp is { } rsdp) Quad(page, AcpiRsdpAddress, rsdp.Value);
        WriteMap(page, handover.Map);
        memory.Put(new GuestAddress(BootLayout.BootParams), page);

        VcpuState state = new()
        {
            Rip = entry.Value,
            Rflags = ControlBits.RFLAGS_FIXED,
            Cr0 = ControlBits.CR0_PE | ControlBits.CR0_ET | ControlBits.CR0_NE | ControlBits.CR0_PG,
            Cr3 = IdentityMap.Write(memory),
            Cr4 = ControlBits.CR4_PAE,
            Efer = ControlBits.EFER_LME | ControlBits.EFER_LMA,
            ApicBase = ControlBits.APIC_BASE_DEFAULT | ControlBits.APIC_BASE_BSP | ControlBits.APIC_BASE_ENABLE,
        };
        FlatSegments.Apply(memory, state, longMode: true);
        state.Gpr[Rsp] = BootLayout.StackTop;
        state.Gpr[Rsi] = BootLayout.BootParams;
        return state;
    }

    /// <summary>The few header fields that Linux looks at when it is entered without its setup code.</summary>
    private static void WriteMinimalHeader(Span<byte> page)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(page[BootFlag..], 0xaa55);
        "HdrS"u8.CopyTo(page[HeaderMagic..]);
        BinaryPrimitives.WriteUInt16LittleEndian(page[Version..], 0x020c);
    }

    private static void WriteMap(Span<byte> page, E820Map map)
    {
        int count = Math.Min(map.Entries.Length, E820TableEntries);
        page[E820Entries] = (byte)count;
        for (int i = 0; i < count; i++)
        {
            Span<byte> entry = page[(E820Table + (i * E820EntryBytes))..];
            Quad(entry, 0, map.Entries[i].Start.Value);
            Quad(entry, 8, map.Entries[i].SizeBytes);
            Long(entry, 16, (uint)map.Entries[i].Type);
        }
    }

    private static void Long(Span<byte> page, int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(page[at..], value);

    private static void Quad(Span<byte> page, int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(page[at..], value);
}
