using Vmm.Core.Hypervisor;

namespace Vmm.Machine.CoreDump;

/// <summary>
/// Where the upper half of a vCPU's address space, the kernel's, lies in RAM (Intel SDM vol. 3 §4.5, 4- and 5-level paging), so that a debugger can
/// follow a kernel's pointers. A guest can write any tables: their depth is fixed, and of both tables and pieces only so many are looked at.
/// </summary>
internal sealed class KernelMappings
{
    private const ulong CR0_PG = 1UL << 31, EFER_LMA = 1UL << 10, CR4_LA57 = 1UL << 12;
    private const ulong P = 1, PS = 1 << 7, AddressMask = 0x000f_ffff_ffff_f000;
    private const int Entries = 512, IndexBits = 9, PageShift = 12, LastLargeLevel = 3;
    private const int MostTables = 1 << 15, MostSegments = 1 << 12;

    private readonly Func<ulong, ulong> _read;
    private readonly Func<ulong, ulong, bool> _isMemory;
    private readonly List<CoreSegment> _segments = [];
    private int _tables;

    private KernelMappings(Func<ulong, ulong> read, Func<ulong, ulong, bool> isMemory) => (_read, _isMemory) = (read, isMemory);

    /// <summary>The pieces, merged where they touch.</summary>
    /// <param name="vcpu">Whose address space.</param>
    /// <param name="read">Reads eight bytes of memory at an address that <paramref name="isMemory"/> allows.</param>
    /// <param name="isMemory">Whether a range (first byte, length) lies in one piece of the dumped memory.</param>
    public static IReadOnlyList<CoreSegment> Find(VcpuState vcpu, Func<ulong, ulong> read, Func<ulong, ulong, bool> isMemory)
    {
        KernelMappings mappings = new(read, isMemory);
        if ((vcpu.Cr0 & CR0_PG) == 0 || (vcpu.Efer & EFER_LMA) == 0) return [];
        int levels = (vcpu.Cr4 & CR4_LA57) != 0 ? 5 : 4;
        ulong upperHalf = ulong.MaxValue << (PageShift + levels * IndexBits - 1);
        mappings.Walk(vcpu.Cr3 & AddressMask, levels, upperHalf, Entries / 2);
        return mappings._segments;
    }

    private void Walk(ulong table, int level, ulong address, int first)
    {
        if (!_isMemory(table, Entries * sizeof(ulong)) || ++_tables > MostTables) return;
        int shift = PageShift + (level - 1) * IndexBits;
        for (int i = first; i < Entries && _segments.Count < MostSegments; i++)
        {
            ulong entry = _read(table + (ulong)i * sizeof(ulong));
            if ((entry & P) == 0) continue;
            ulong at = address + ((ulong)(i - first) << shift);
            bool isPage = level == 1 || ((entry & PS) != 0 && level <= LastLargeLevel);
            if (isPage) Add(new CoreSegment(at, entry & AddressMask & (ulong.MaxValue << shift), 1UL << shift));
            else Walk(entry & AddressMask, level - 1, at, 0);
        }
    }

    private void Add(CoreSegment segment)
    {
        if (!_isMemory(segment.PhysicalAddress, segment.SizeBytes)) return;
        if (_segments is [.., var last] && last.IsFollowedBy(segment)) _segments[^1] = last with { SizeBytes = last.SizeBytes + segment.SizeBytes };
        else _segments.Add(segment);
    }
}
