using System.Buffers.Binary;
using Vmm.Core.Hypervisor;
using Vmm.Core.Memory;

namespace Vmm.Firmware.Boot;

/// <summary>The PVH entry: hvm_start_info and the processor's state (Xen public/arch-x86/hvm/start_info.h, docs/misc/pvh.pandoc).</summary>
internal static class PvhEntry
{
    private const uint XEN_HVM_START_MAGIC_VALUE = 0x336ec578;
    private const uint StartInfoVersion = 1;
    private const int StartInfoBytes = 56;
    private const int ModuleBytes = 32;
    private const int MapEntryBytes = 24;
    private const int MaxMapEntries = 128;
    private const int Rbx = 3;

    /// <summary>Writes hvm_start_info and sets the state.</summary>
    /// <param name="memory">The guest's memory; kernel, initrd and command line are there already.</param>
    /// <param name="handover">What to tell.</param>
    /// <param name="entry">The first instruction.</param>
    public static VcpuState Prepare(GuestMemory memory, Handover handover, GuestAddress entry)
    {
        int mapEntries = Math.Min(handover.Map.Entries.Length, MaxMapEntries);
        const ulong ModuleList = BootLayout.StartInfo + StartInfoBytes;
        const ulong MemoryMap = ModuleList + ModuleBytes;
        byte[] info = new byte[StartInfoBytes + ModuleBytes + (mapEntries * MapEntryBytes)];
        bool hasInitrd = handover.InitrdBytes != 0;
        Long(info, 0, XEN_HVM_START_MAGIC_VALUE);
        Long(info, 4, StartInfoVersion);
        Long(info, 12, hasInitrd ? 1u : 0);
        Quad(info, 16, hasInitrd ? ModuleList : 0);
        Quad(info, 24, BootLayout.CommandLine);
        Quad(info, 32, handover.Rsdp?.Value ?? 0);
        Quad(info, 40, MemoryMap);
        Long(info, 48, (uint)mapEntries);
        if (hasInitrd)
        {
            Quad(info, StartInfoBytes, handover.Initrd.Value);
            Quad(info, StartInfoBytes + 8, handover.InitrdBytes);
        }

        for (int i = 0; i < mapEntries; i++)
        {
            E820Entry range = handover.Map.Entries[i];
            int at = StartInfoBytes + ModuleBytes + (i * MapEntryBytes);
            Quad(info, at, range.Start.Value);
            Quad(info, at + 8, range.SizeBytes);
            Long(info, at + 16, (uint)range.Type);
        }

        memory.Put(new GuestAddress(BootLayout.StartInfo), info);

        VcpuState state = new()
        {
            Rip = entry.Value,
            Rflags = ControlBits.RFLAGS_FIXED,
            Cr0 = ControlBits.CR0_PE | ControlBits.CR0_ET,
            ApicBase = ControlBits.APIC_BASE_DEFAULT | ControlBits.APIC_BASE_BSP | ControlBits.APIC_BASE_ENABLE,
        };
        FlatSegments.Apply(memory, state, longMode: false);
        state.Gpr[Rbx] = BootLayout.StartInfo;
        return state;
    }

    private static void Long(Span<byte> bytes, int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[at..], value);

    private static void Quad(Span<byte> bytes, int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(bytes[at..], value);
}
