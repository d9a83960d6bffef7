using Vmm.Core.Memory;

namespace Vmm.Firmware.Boot;

/// <summary>
/// The memory map a PC's BIOS would give (ACPI 6.5 §15): RAM as the machine has it, less the EBDA, the video window and the area of
/// the firmware tables. Holes (PCI, APICs) are simply not listed.
/// </summary>
public sealed class E820Map
{
    private readonly E820Entry[] _entries;

    private E820Map(E820Entry[] entries) => _entries = entries;

    /// <summary>Ascending, without overlaps.</summary>
    public ReadOnlySpan<E820Entry> Entries => _entries;

    /// <summary>
    /// One past the end of the RAM that begins at 1 MiB and goes on without a hole, at most 4 GiB: where a kernel and its ramdisk must fit.
    /// 1 MiB when there is none.
    /// </summary>
    public ulong LowRamEnd
    {
        get
        {
            foreach (E820Entry entry in _entries)
            {
                if (entry.Type == E820Type.Ram && entry.Start.Value <= BootLayout.HighMemory && entry.End > BootLayout.HighMemory)
                    return Math.Min(entry.End, BootLayout.FourGiB);
            }

            return BootLayout.HighMemory;
        }
    }

    /// <summary>The map of a machine.</summary>
    /// <param name="memory">The guest's RAM and ROM.</param>
    /// <param name="reserved">Ranges that are not plain RAM beside the usual ones; an earlier one wins over a later one.</param>
    public static E820Map Build(GuestMemory memory, params ReadOnlySpan<E820Entry> reserved)
    {
        List<E820Entry> entries = [];
        foreach (E820Entry entry in reserved) Add(entries, entry);
        Add(entries, Range(BootLayout.Ebda, BootLayout.VideoWindow, E820Type.Reserved));
        Add(entries, Range(BootLayout.FirmwareTables, BootLayout.HighMemory, E820Type.Reserved));
        foreach (GuestMemoryRegion region in memory.Regions)
        {
            if (region.IsReadOnly) Add(entries, new E820Entry(region.Start, region.SizeBytes, E820Type.Reserved));
        }

        foreach (GuestMemoryRegion region in memory.Regions)
        {
            if (region.IsReadOnly || region.IsDevice) continue;
            // RAM behind the video window cannot be reached as RAM.
            if (region.Start.Value < BootLayout.VideoWindow)
                Add(entries, Range(region.Start.Value, Math.Min(region.End, BootLayout.VideoWindow), E820Type.Ram));
            if (region.End > BootLayout.FirmwareTables)
                Add(entries, Range(Math.Max(region.Start.Value, BootLayout.FirmwareTables), region.End, E820Type.Ram));
        }

        entries.Sort((a, b) => a.Start.CompareTo(b.Start));
        return new E820Map(Merge(entries));
    }

    private static E820Entry Range(ulong start, ulong end, E820Type type) => new(new GuestAddress(start), end - start, type);

    /// <summary>Adds the parts of a range that no earlier entry covers.</summary>
    private static void Add(List<E820Entry> entries, E820Entry added)
    {
        if (added.SizeBytes == 0) return;
        foreach (E820Entry entry in entries)
        {
            if (added.Start.Value >= entry.End || added.End <= entry.Start.Value) continue;
            if (added.Start.Value < entry.Start.Value) Add(entries, Range(added.Start.Value, entry.Start.Value, added.Type));
            if (added.End > entry.End) Add(entries, Range(entry.End, added.End, added.Type));
            return;
        }

        entries.Add(added);
    }

    private static E820Entry[] Merge(List<E820Entry> sorted)
    {
        List<E820Entry> merged = [];
        foreach (E820Entry entry in sorted)
        {
            if (merged.Count != 0 && merged[^1].Type == entry.Type && merged[^1].End == entry.Start.Value)
                merged[^1] = merged[^1] with { SizeBytes = merged[^1].SizeBytes + entry.SizeBytes };
            else merged.Add(entry);
        }

        return [.. merged];
    }
}
