namespace Vmm.Storage.Qcow2;

/// <summary>Places for clusters that nothing was written to yet.</summary>
internal sealed partial class Qcow2Image
{
    /// <summary>Gives every cluster of a new, empty disk its place.</summary>
    public void Preallocate(Qcow2Preallocation mode)
    {
        ulong end = 0;
        for (ulong offset = 0; offset < SizeBytes && mode != Qcow2Preallocation.Off;)
        {
            lock (_changing)
            {
                MakeRoom();
                lock (_gate) offset += PreallocateSome(offset, mode, ref end);
            }
        }

        if (_file.Length < end) _file.SetLength(end);
        Core.Backends.BlockResult result = Flush();
        if (result != Core.Backends.BlockResult.Ok) throw new ImageException(result, FirstError ?? result.ToString());
    }

    private ulong PreallocateSome(ulong offset, Qcow2Preallocation mode, ref ulong end)
    {
        ulong most = Math.Min(MostAllocationBytes, _header.L2Coverage - offset % _header.L2Coverage);
        ulong need = (Math.Min(most, SizeBytes - offset) + ClusterMask) >> _header.ClusterBits;
        WritableL2(offset / _header.L2Coverage);
        ulong first = _refcounts.Allocate(need, all: false, out ulong got, out bool isFresh);
        ulong host = first << _header.ClusterBits;
        ulong bytes = got << _header.ClusterBits;
        FillPlace(host, bytes, mode, isFresh);
        _refcounts.NoteChange();
        ulong table = WritableL2(offset / _header.L2Coverage);
        for (ulong i = 0; i < got; i++) SetEntry(table, offset + (i << _header.ClusterBits), first + i << _header.ClusterBits | Qcow2Bits.Copied);
        end = Math.Max(end, host + bytes);
        return bytes;
    }

    private void FillPlace(ulong host, ulong bytes, Qcow2Preallocation mode, bool isFresh)
    {
        bool isKept = mode == Qcow2Preallocation.Falloc && _file.TryZero(host, bytes);
        if (!isKept && (mode != Qcow2Preallocation.Metadata || !isFresh)) ZeroWriter.Write(_file, host, bytes);
    }
}
