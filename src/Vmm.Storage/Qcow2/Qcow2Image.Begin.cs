using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage.Qcow2;

/// <summary>Requests that can begin without waiting: what they need of the tables is in memory, and their bytes lie side by side.</summary>
internal sealed partial class Qcow2Image
{
    protected override bool TryBeginTransfer(BlockRequest request)
    {
        if (request.Count == 0 || _file.Host is not { } host || !_access.TryEnter(out int ticket)) return false;
        bool isTaken = false;
        try
        {
            Qcow2Run run;
            bool isRead = request.Operation == BlockOperation.Read;
            lock (_gate)
            {
                if ((!isRead && _isBroken) || !IsInMemory(request.Offset)) return false;
                // It might end before the tables that lead to it are out.
                if (!isRead && SurvivesKill && (_cache.HasDirty || _l1DirtyTo >= 0)) return false;
                run = Lookup(request.Offset, Math.Min(request.Count, BytesInPage(request.Offset)));
                if (run.Length != request.Count || (!isRead && !run.IsInPlace)) return false;
                if (!isRead) JudgeTarget(run.HostOffset, run.Length);
            }

            return isTaken = run.Kind switch
            {
                BlockExtentKind.Data => Engine!.TryBegin(host, run.HostOffset, request, this, ticket),
                BlockExtentKind.Zero => EndWithZeros(request, ticket),
                BlockExtentKind.Unallocated => TryBeginBelow(request, ticket),
                _ => false,
            };
        }
        catch (ImageException)
        {
            // The blocking call runs into the same and says so.
            return false;
        }
        finally
        {
            if (!isTaken) _access.Leave(ticket);
        }
    }

    // A write that first needs a piece of a table does not hold up the changes: most find their clusters in place then.
    protected override bool TakesTurns(BlockRequest request)
    {
        if (request.Operation != BlockOperation.Write) return request.Operation != BlockOperation.Read;
        lock (_gate) return _l1[request.Offset / _header.L2Coverage] == 0 || IsInMemoryOrWrong(request.Offset);
    }

    protected override void LeaveTransfer(int ticket) => _access.Leave(ticket);

    private bool IsInMemoryOrWrong(ulong offset)
    {
        ulong table = _l1[offset / _header.L2Coverage] & Qcow2Bits.OffsetMask & ~ClusterMask;
        return _cache.Has(EntryPlaceOf(table, offset));
    }

    private bool IsInMemory(ulong offset)
    {
        ulong table = L2TableOf(offset / _header.L2Coverage);
        return table == 0 || _cache.Has(EntryPlaceOf(table, offset));
    }

    // As far as the page of the table that is in memory says something.
    private ulong BytesInPage(ulong offset)
    {
        ulong covered = (ulong)(_cache.PageBytes / (_header.HasExtendedL2 ? 16 : 8)) << _header.ClusterBits;
        return covered - offset % covered;
    }

    private bool EndWithZeros(BlockRequest request, int ticket)
    {
        new IoCursor(request.Vectors).Clear(request.Count);
        TransferEnded(request, ticket, error: 0);
        return true;
    }

    private bool TryBeginBelow(BlockRequest request, int ticket)
    {
        if (_backing is null || request.Offset >= _backing.SizeBytes) return EndWithZeros(request, ticket);
        return _backing is DiskImageBase below && request.Count <= _backing.SizeBytes - request.Offset && TryBeginOn(below, request, ticket);
    }
}
