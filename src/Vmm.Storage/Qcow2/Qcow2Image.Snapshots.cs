using System.Globalization;
using System.Text;

namespace Vmm.Storage.Qcow2;

/// <summary>Internal snapshots, and the size.</summary>
internal sealed partial class Qcow2Image
{
    /// <summary>Keeps the disk as it is now under a name.</summary>
    /// <exception cref="ImageException">The name is taken, or the refcounts have no room.</exception>
    public void CreateSnapshot(string name, DateTimeOffset now)
    {
        if (name.Length == 0 || Encoding.UTF8.GetByteCount(name) > ushort.MaxValue) throw new ImageException("a snapshot needs a name, and not one so long");
        Change(() =>
        {
            if (_snapshots.Exists(s => s.Name == name)) throw new ImageException($"{Name} has a snapshot '{name}' already");
            if (_snapshots.Count >= Qcow2Header.MostSnapshots) throw new ImageException($"{Name} has no room for another snapshot");
            WalkTree(_l1, (offset, bytes) => ForClusters(offset, bytes, c =>
            {
                if (!_refcounts.CanIncrease(c)) throw new ImageException($"{Name}: refcounts of {1 << _header.RefcountOrder} bits have no room for another snapshot");
            }));
            SetDirty(true);
            WalkTree(_l1, (offset, bytes) => ForClusters(offset, bytes, _refcounts.Increase));
            ulong[] copy = Array.ConvertAll(_l1, e => e & Qcow2Bits.OffsetMask);
            ulong l1 = AllocateTable((ulong)copy.Length * 8);
            TableReader.Write(_file, l1, copy, 0, copy.Length - 1);
            uint id = 1;
            foreach (Qcow2Snapshot other in _snapshots)
            {
                if (uint.TryParse(other.Id, NumberStyles.None, CultureInfo.InvariantCulture, out uint used) && used >= id && used < uint.MaxValue) id = used + 1;
            }

            Qcow2Snapshot snapshot = new()
            {
                L1Offset = l1,
                L1Entries = (uint)copy.Length,
                Id = id.ToString(CultureInfo.InvariantCulture),
                Name = name,
                Seconds = (uint)now.ToUnixTimeSeconds(),
                Nanoseconds = (uint)(now.Ticks % TimeSpan.TicksPerSecond * 100),
                Extra = Qcow2Snapshot.ExtraFor(_header.SizeBytes),
            };
            ReplaceSnapshots([.. _snapshots, snapshot]);
            MarkCopied();
        });
    }

    /// <summary>Makes the disk what it was.</summary>
    public void ApplySnapshot(string name) => Change(() =>
    {
        Qcow2Snapshot snapshot = Find(name);
        ulong size = snapshot.DiskBytes ?? _header.SizeBytes;
        ulong[] tables = TableReader.Read(_file, snapshot.L1Offset, (int)snapshot.L1Entries);
        SetDirty(true);
        WalkTree(tables, (offset, bytes) => ForClusters(offset, bytes, _refcounts.Increase));
        ulong[] old = _l1;
        ReplaceL1(tables, size);
        WalkTree(old, _refcounts.FreeLater);
        WriteOutAndFree();
        MarkCopied();
    });

    /// <summary>Drops a snapshot and what only it had.</summary>
    public void DeleteSnapshot(string name) => Change(() =>
    {
        Qcow2Snapshot snapshot = Find(name);
        ulong[] tables = TableReader.Read(_file, snapshot.L1Offset, (int)snapshot.L1Entries);
        SetDirty(true);
        ReplaceSnapshots([.. _snapshots.Where(s => s != snapshot)]);
        WalkTree(tables, _refcounts.FreeLater);
        if (snapshot.L1Offset != 0) _refcounts.FreeLater(snapshot.L1Offset, Math.Max(1, (ulong)snapshot.L1Entries * 8));
        WriteOutAndFree();
        MarkCopied();
    });

    /// <summary>Shows a snapshot in place of the disk; for an image that is open for reading only.</summary>
    public void ShowSnapshot(string name)
    {
        if (!_isReadOnly) throw new ImageException("a snapshot can only be looked at where the image is open for reading only");
        Qcow2Snapshot snapshot = Find(name);
        ulong size = snapshot.DiskBytes ?? _header.SizeBytes;
        if (_header.L1EntriesFor(size) > snapshot.L1Entries) throw ImageException.Corrupt($"{Name}: the L1 table of snapshot '{name}' is too small");
        _l1 = TableReader.Read(_file, snapshot.L1Offset, (int)snapshot.L1Entries);
        _header.SizeBytes = size;
    }

    protected override void ResizeCore(ulong sizeBytes)
    {
        if (sizeBytes % 512 != 0) throw new ImageException("a disk has a whole number of 512-byte sectors");
        if (_header.L1EntriesFor(sizeBytes) * 8 > Qcow2Header.MostL1Bytes)
            throw new ImageException($"clusters of {ClusterBytes} bytes cannot make a disk of {sizeBytes} bytes");
        if (_header.Version < 3 && _snapshots.Count != 0) throw new ImageException($"{Name} is of version 2 and has snapshots, which do not remember a size");
        ulong oldSize = _header.SizeBytes;
        // What is cut off must not come back when the disk grows again.
        if (sizeBytes < oldSize) WriteZeroesCore(sizeBytes, oldSize - sizeBytes, mayUnmap: true);
        Change(() =>
        {
            if (_header.L1EntriesFor(sizeBytes) > _header.L1Entries)
            {
                ulong[] grown = new ulong[_header.L1EntriesFor(sizeBytes)];
                _l1.CopyTo(grown, 0);
                ReplaceL1(grown, sizeBytes);
                return;
            }

            Volatile.Write(ref _header.SizeBytes, sizeBytes);
            _header.WriteFields(_file);
        });
        if (_backing is not null && sizeBytes > oldSize && _backing.SizeBytes > oldSize)
            WriteZeroesCore(oldSize, Math.Min(sizeBytes, _backing.SizeBytes) - oldSize, mayUnmap: true);
    }

    // Alone, with everything in the file before and after.
    private void Change(Action change)
    {
        if (_isReadOnly) throw new ImageException($"{Name} is open for reading only");
        Alone(() =>
        {
            ThrowIfBroken();
            WriteOutAndFree();
            change();
            WriteOutAndFree();
            SetDirty(false);
        });
    }

    private void Alone(Action action)
    {
        lock (_flushing)
        {
            _access.EnterAlone();
            try
            {
                lock (_gate) action();
            }
            finally
            {
                _access.LeaveAlone();
            }
        }
    }

    // While it is set, whoever opens the image counts the references anew.
    private void SetDirty(bool isDirty)
    {
        if (_header.Version < 3 || (_header.Incompatible & Qcow2Incompatible.Dirty) != 0 == isDirty) return;
        if (!isDirty)
        {
            _cache.WriteDirty(isRefcount: true);
            _file.Flush();
        }

        _header.Incompatible ^= Qcow2Incompatible.Dirty;
        _header.WriteFields(_file);
        _file.Flush();
    }

    private Qcow2Snapshot Find(string name)
        => _snapshots.Find(s => s.Name == name) ?? _snapshots.Find(s => s.Id == name) ?? throw new ImageException($"{Name} has no snapshot '{name}'");

    private ulong AllocateTable(ulong bytes)
    {
        ulong clusters = Math.Max(1, bytes + ClusterMask >> _header.ClusterBits);
        ulong first = _refcounts.Allocate(clusters, all: true, out _);
        ulong offset = first << _header.ClusterBits;
        _cache.Forget(offset, clusters << _header.ClusterBits);
        ZeroWriter.Write(_file, offset, clusters << _header.ClusterBits);
        for (ulong i = 0; i < clusters; i++) _metadata.Add(first + i);
        return offset;
    }

    private void ReplaceL1(ulong[] table, ulong sizeBytes)
    {
        ulong offset = AllocateTable((ulong)table.Length * 8);
        if (table.Length != 0) TableReader.Write(_file, offset, table, 0, table.Length - 1);
        WriteMetadata();
        _file.Flush();
        (ulong oldOffset, ulong oldBytes) = (_header.L1Offset, (ulong)_header.L1Entries * 8);
        _header.L1Offset = offset;
        _header.L1Entries = (uint)table.Length;
        Volatile.Write(ref _header.SizeBytes, sizeBytes);
        _l1 = table;
        _l1Outdated++;
        _header.WriteFields(_file);
        _file.Flush();
        if (oldBytes != 0) _refcounts.FreeLater(oldOffset, oldBytes);
    }

    private void ReplaceSnapshots(List<Qcow2Snapshot> snapshots)
    {
        ulong oldBytes = Qcow2Snapshot.TableBytes(_snapshots);
        ulong oldOffset = _header.SnapshotsOffset;
        byte[] table = Qcow2Snapshot.WriteTable(snapshots);
        ulong offset = 0;
        if (table.Length != 0)
        {
            offset = AllocateTable((ulong)table.Length);
            _file.Write(offset, table);
        }

        WriteMetadata();
        _file.Flush();
        _header.SnapshotsOffset = offset;
        _header.Snapshots = (uint)snapshots.Count;
        _snapshots = snapshots;
        _header.WriteFields(_file);
        _file.Flush();
        if (oldBytes != 0) _refcounts.FreeLater(oldOffset, oldBytes);
    }

    /// <summary>Visits everything that a L1 table refers to.</summary>
    private void WalkTree(ulong[] l1, Action<ulong, ulong> visit)
    {
        foreach (ulong entry in l1)
        {
            ulong table = entry & Qcow2Bits.OffsetMask;
            if (table == 0) continue;
            if ((table & ClusterMask) != 0) throw ImageException.Corrupt($"{Name}: {entry:x16} is no valid L1 entry");
            for (int i = 0; i < _header.L2Entries; i++)
            {
                ulong data = _cache.Read64(table + (ulong)i * 8);
                if (data == 0) continue;
                if (KindOf(data) == BlockExtentKind.Compressed)
                {
                    (ulong place, int bytes) = CompressedPlace(data);
                    visit(place, (ulong)bytes);
                }
                else if ((data & Qcow2Bits.OffsetMask) != 0)
                {
                    visit(data & Qcow2Bits.OffsetMask, (ulong)ClusterBytes);
                }
            }

            visit(table, (ulong)ClusterBytes);
        }
    }

    private void ForClusters(ulong offset, ulong bytes, Action<ulong> visit)
    {
        ulong last = offset + bytes - 1 >> _header.ClusterBits;
        for (ulong cluster = offset >> _header.ClusterBits; cluster <= last; cluster++) visit(cluster);
    }

    /// <summary>Makes the flag "counted once" of every entry of the disk say the truth.</summary>
    private void MarkCopied()
    {
        for (int index = 0; index < _l1.Length; index++)
        {
            ulong table = _l1[index] & Qcow2Bits.OffsetMask;
            if (table == 0) continue;
            ulong wanted = Flagged(table);
            if (wanted != _l1[index]) SetL1((ulong)index, wanted);
            for (int i = 0; i < _header.L2Entries; i++)
            {
                ulong place = table + (ulong)i * (_header.HasExtendedL2 ? 16UL : 8UL);
                ulong entry = _cache.Read64(place);
                if ((entry & Qcow2Bits.Compressed) != 0 || (entry & Qcow2Bits.OffsetMask) == 0) continue;
                wanted = Flagged(entry & ~Qcow2Bits.Copied);
                if (wanted != entry) _cache.Write64(place, wanted);
            }
        }
    }

    private ulong Flagged(ulong entry)
        => _refcounts.Get((entry & Qcow2Bits.OffsetMask) >> _header.ClusterBits) == 1 ? entry | Qcow2Bits.Copied : entry;
}
