using System.Buffers.Binary;
using Vmm.Core.Backends;

namespace Vmm.Storage.Vmdk;

/// <summary>Making the disk larger, in an order that a crash can cut anywhere: the header, one sector, says which tables count.</summary>
internal sealed partial class VmdkSparseImage
{
    protected override void ResizeCore(ulong sizeBytes)
    {
        if (sizeBytes == _sizeBytes) return;
        VmdkCreator.Judge(new VmdkCreateOptions { SizeBytes = sizeBytes });
        if (sizeBytes < _sizeBytes) throw new ImageException($"{Name}: a VMDK disk can only grow; convert it into a smaller one");
        if (_descriptor is { ParentCid: not VmdkDescriptor.NoParent }) throw new ImageException($"{Name} has a parent, and has the size of it");
        if (_descriptor?.CanResize(sizeBytes / SectorBytes) != true) throw new ImageException($"{Name}: its descriptor cannot say another size; convert the image into a larger one");
        // What a child knows of is another disk.
        NoteChange();
        Alone(() =>
        {
            ClearBehind();
            WriteTables();
            File.Flush();
            VmdkHeader header = MoveTables(sizeBytes / SectorBytes);
            File.Write(0, header.ToBytes());
            File.Flush();
            _descriptor.Resize(header.CapacitySectors);
            File.Flush();
            _header = header;
            Volatile.Write(ref _sizeBytes, sizeBytes);
        });
    }

    // What the disk did not show must be zeros when it does.
    private void ClearBehind()
    {
        ulong coverage = _header.TableCoverage;
        ulong last = (_sizeBytes - 1) / coverage;
        ulong table = TableOf(_header.DirectorySector, last);
        if (table == 0) return;
        ulong copy = _header.HasRedundantTables ? TableOf(_header.RedundantDirectorySector, last) : 0;
        ulong first = (_sizeBytes - last * coverage + GrainBytes - 1) / GrainBytes;
        for (ulong i = first; i < _header.EntriesPerTable; i++)
        {
            if (Read32(table + i * sizeof(uint)) != 0) SetEntry(table, copy, i, 0);
        }

        ulong inGrain = _sizeBytes % GrainBytes;
        if (inGrain == 0 || Grain(table, first - 1, out ulong place) != BlockExtentKind.Data) return;
        ZeroWriter.Write(File, place + inGrain, GrainBytes - inGrain);
        FileEnd = Math.Max(FileEnd, place + GrainBytes);
    }

    /// <summary>Where there are more tables than before, the directories go to the end of the file with the new tables behind them: other programs expect all of them.</summary>
    /// <returns>The header that says so, which is not in the file yet.</returns>
    private VmdkHeader MoveTables(ulong capacitySectors)
    {
        VmdkHeader header = _header.Resized(capacitySectors, _header.DirectorySector, _header.RedundantDirectorySector);
        if (header.Tables == _header.Tables) return header;
        ulong tableSectors = Sectors(_header.EntriesPerTable * sizeof(uint));
        ulong step = Sectors(header.Tables * sizeof(uint)) + (header.Tables - _header.Tables) * tableSectors;
        ulong start = Sectors(FileEnd);
        ulong redundant = _header.HasRedundantTables ? start + step : 0;
        ulong end = start + (_header.HasRedundantTables ? 2 * step : step);
        if (end > uint.MaxValue) throw new ImageException(BlockResult.NoSpace, $"{Name} has no room for the tables of so large a disk");
        // Behind the end of the file everything is zeros, and so are the tables.
        File.SetLength(end * SectorBytes);
        WriteDirectory(start, _header.DirectorySector, header.Tables, tableSectors);
        if (redundant != 0) WriteDirectory(redundant, _header.RedundantDirectorySector, header.Tables, tableSectors);
        File.Flush();
        FileEnd = end * SectorBytes;
        return _header.Resized(capacitySectors, start, redundant == 0 ? _header.RedundantDirectorySector : redundant);
    }

    private void WriteDirectory(ulong sector, ulong oldSector, ulong tables, ulong tableSectors)
    {
        ulong bytes = tables * sizeof(uint);
        byte[] entries = new byte[Sectors(bytes) * SectorBytes];
        File.Read(oldSector * SectorBytes, entries.AsSpan(0, (int)_header.Tables * sizeof(uint)));
        ulong place = sector + Sectors(bytes);
        for (ulong i = _header.Tables; i < tables; i++, place += tableSectors)
            BinaryPrimitives.WriteUInt32LittleEndian(entries.AsSpan((int)i * sizeof(uint)), (uint)place);
        File.Write(sector * SectorBytes, entries);
    }

    private static ulong Sectors(ulong bytes) => (bytes + SectorBytes - 1) / SectorBytes;
}
