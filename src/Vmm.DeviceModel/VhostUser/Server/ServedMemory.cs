using Vmm.Core.Memory;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Server;

/// <summary>The parts of the front end's memory that it has shared, mapped here, as one guest's memory. One thread at a time; no ring runs meanwhile.</summary>
internal sealed class ServedMemory(GuestMemory memory) : IDisposable
{
    /// <summary>The most regions at once.</summary>
    public const int MostRegions = 32;

    private List<(MemoryRegionDescription Description, SharedMapping Mapping)> _regions = [];

    /// <summary>Puts a table in the place of all regions. Null, or why it cannot be: nothing has changed then.</summary>
    public string? Set(ReadOnlySpan<MemoryRegionDescription> table, List<LinuxFile> files)
    {
        List<(MemoryRegionDescription, SharedMapping)> regions = [];
        for (int i = 0; i < table.Length; i++)
        {
            if (Map(table[i], files[i], out SharedMapping? mapping) is { } problem)
            {
                Unmap(regions);
                return problem;
            }

            regions.Add((table[i], mapping!));
        }

        return Adopt(regions);
    }

    /// <summary>Adds a region.</summary>
    public string? Add(in MemoryRegionDescription description, LinuxFile file)
    {
        if (_regions.Count == MostRegions) return $"more than {MostRegions} regions of memory";
        if (Map(description, file, out SharedMapping? mapping) is { } problem) return problem;
        return Adopt([.. _regions, (description, mapping!)]);
    }

    /// <summary>Removes the region with this guest address, user address and size.</summary>
    public string? Remove(MemoryRegionDescription description)
    {
        int at = _regions.FindIndex(r => r.Description with { FileOffset = 0 } == description with { FileOffset = 0 });
        if (at < 0) return $"there is no region of {description.SizeBytes} bytes at 0x{description.GuestAddress:x}";
        return Adopt([.. _regions.Where((_, i) => i != at)]);
    }

    /// <summary>Where the guest has what the front end has at an address of its own.</summary>
    public bool TryTranslate(ulong userAddress, out ulong guestAddress)
    {
        foreach ((MemoryRegionDescription region, _) in _regions)
        {
            ulong offset = unchecked(userAddress - region.UserAddress);
            guestAddress = region.GuestAddress + offset;
            if (offset < region.SizeBytes) return true;
        }

        guestAddress = 0;
        return false;
    }

    /// <summary>Unmaps all.</summary>
    public void Dispose() => Adopt([]);

    private static string? Map(in MemoryRegionDescription description, LinuxFile file, out SharedMapping? mapping)
    {
        mapping = null;
        try
        {
            mapping = SharedMapping.Map(file, description.FileOffset, description.SizeBytes, "guest memory");
            return null;
        }
        catch (LinuxException e)
        {
            return e.Message;
        }
    }

    private string? Adopt(List<(MemoryRegionDescription Description, SharedMapping Mapping)> regions)
    {
        try
        {
            memory.Replace(regions.Select(r => r.Mapping.Region(new GuestAddress(r.Description.GuestAddress))));
        }
        catch (ArgumentException e)
        {
            Unmap(regions.Except(_regions));
            return e.Message;
        }

        Unmap(_regions.Except(regions));
        _regions = regions;
        return null;
    }

    private static void Unmap(IEnumerable<(MemoryRegionDescription Description, SharedMapping Mapping)> regions)
    {
        foreach ((_, SharedMapping mapping) in regions) mapping.Dispose();
    }
}
