namespace Vmm.Storage.Vmdk;

/// <summary>Getting an image ready for changes.</summary>
internal sealed partial class VmdkSparseImage
{
    /// <summary>Gets an image ready for changes: no two of its parts share bytes, and the tables are what their copies are.</summary>
    private void Prepare()
    {
        if (_header.IsCompressed) throw new ImageException($"{Name} has compressed grains (streamOptimized), which can only be read: convert it");
        if (_header.Version > 2) throw new ImageException($"{Name} is of VMDK version {_header.Version}, which can only be read here");
        List<(ulong Start, ulong End)> parts = Parts();
        parts.Sort();
        for (int i = 1; i < parts.Count; i++)
        {
            if (parts[i].Start < parts[i - 1].End) throw ImageException.Corrupt($"{Name}: two parts overlap at 0x{parts[i].Start:x}; 'vmm image check' says more");
        }

        if (parts[^1].End > FileEnd) FileEnd = parts[^1].End;
    }

    /// <summary>Everything that has a place in the file. Copies of tables are made like the tables.</summary>
    private List<(ulong Start, ulong End)> Parts()
    {
        ulong tableBytes = _header.EntriesPerTable * sizeof(uint);
        ulong directoryBytes = _header.Tables * sizeof(uint);
        List<(ulong Start, ulong End)> parts = [(0, VmdkHeader.Bytes)];
        HashSet<ulong> tables = [];
        Add(_header.DescriptorSector, _header.DescriptorSectors * SectorBytes);
        Add(_header.DirectorySector, directoryBytes);
        if (_header.HasRedundantTables) Add(_header.RedundantDirectorySector, directoryBytes);
        for (ulong index = 0; index < _header.Tables; index++)
        {
            ulong table = TableOf(_header.DirectorySector, index);
            ulong copy = _header.HasRedundantTables ? TableOf(_header.RedundantDirectorySector, index) : 0;
            Add(table / SectorBytes, tableBytes);
            Add(copy / SectorBytes, tableBytes);
            // A directory full of one table would take for ever.
            if (table != 0 && !tables.Add(table)) throw ImageException.Corrupt($"{Name}: the grain table at 0x{table:x} is used twice");
            for (uint i = 0; i < _header.EntriesPerTable && table != 0; i++)
            {
                if (Grain(table, i, out ulong place) == BlockExtentKind.Data) parts.Add((place, place + GrainBytes));
                uint entry = Read32(table + i * sizeof(uint));
                // A crash may have come between the two.
                if (copy != 0 && Read32(copy + i * sizeof(uint)) != entry) Write32(copy + i * sizeof(uint), entry);
            }
        }

        return parts;

        void Add(ulong sector, ulong bytes)
        {
            if (sector != 0 && bytes != 0) parts.Add((sector * SectorBytes, sector * SectorBytes + bytes));
        }
    }
}
