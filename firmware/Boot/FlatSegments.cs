using System.Buffers.Binary;
using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;

namespace Vmm.Firmware.Boot;

/// <summary>Flat segments and the descriptor table behind them, with the selectors that Linux names __BOOT_CS and __BOOT_DS.</summary>
internal static class FlatSegments
{
    private const ushort BootCs = 0x10;
    private const ushort BootDs = 0x18;
    private const ushort BootTss = 0x20;
    private const int GdtBytes = 0x30;
    private const uint Limit4GiB = uint.MaxValue;
    private const uint TssLimit = 0x67;
    private const SegmentAttributes BusyTss = (SegmentAttributes)11 | SegmentAttributes.Present;
    private const SegmentAttributes Flat = SegmentAttributes.S | SegmentAttributes.Present | SegmentAttributes.G
        | SegmentAttributes.WritableOrReadable | SegmentAttributes.Accessed;

    /// <summary>Writes the table and sets the segment registers.</summary>
    public static void Apply(GuestMemory memory, VcpuState state, bool longMode)
    {
        SegmentState code = new(BootCs, 0, Limit4GiB, Flat | SegmentAttributes.Code | (longMode ? SegmentAttributes.L : SegmentAttributes.DB));
        SegmentState data = new(BootDs, 0, Limit4GiB, Flat | SegmentAttributes.DB);
        SegmentState task = new(BootTss, 0, TssLimit, BusyTss);
        state.Cs = code;
        state.Ds = state.Es = state.Ss = state.Fs = state.Gs = data;
        state.Tr = task;
        state.Ldtr = new SegmentState(0, 0, 0, SegmentAttributes.Unusable);
        state.Gdtr = new DescriptorTableState(BootLayout.Gdt, GdtBytes - 1);
        state.Idtr = new DescriptorTableState(0, 0);

        Span<byte> table = stackalloc byte[GdtBytes];
        table.Clear();
        Write(table, code);
        Write(table, data);
        Write(table, task);
        memory.Put(new GuestAddress(BootLayout.Gdt), table);
    }

    /// <summary>Puts a segment with base 0 into its descriptor (Intel SDM vol. 3 §3.4.5).</summary>
    private static void Write(Span<byte> table, SegmentState segment)
    {
        const ulong AttributesInDescriptor = 0xf0ff;
        bool pages = (segment.Attributes & SegmentAttributes.G) != 0;
        ulong limit = pages ? segment.Limit >> GuestAddress.PageShift : segment.Limit;
        ulong attributes = (ulong)segment.Attributes & AttributesInDescriptor;
        BinaryPrimitives.WriteUInt64LittleEndian(
            table[segment.Selector..], (limit & 0xffff) | (attributes << 40) | ((limit >> 16 & 0xf) << 48));
    }
}
