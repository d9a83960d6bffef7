using System.Runtime.InteropServices;
using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage.Tests.Engines;

/// <summary>A request with memory of its own, which says when it has ended.</summary>
internal sealed class SlotRequest(int owner, int bytes, Action<SlotRequest> ended) : BlockRequest(4)
{
    private int _underWay;

    /// <summary>Whose it is.</summary>
    public int Owner => owner;

    /// <summary>The memory; pinned.</summary>
    public byte[] Buffer { get; } = GC.AllocateArray<byte>(bytes, pinned: true);

    public BlockResult Result { get; private set; }

    public void Begin(IBlockBackend disk, BlockOperation operation, ulong offset, int count, bool mayUnmap = false)
    {
        if (Interlocked.Exchange(ref _underWay, 1) != 0) throw new InvalidOperationException("the request is under way");
        (Operation, Offset, Count, MayUnmap, VectorCount) = (operation, offset, (ulong)count, mayUnmap, 0);
        if (operation is BlockOperation.Read or BlockOperation.Write) Pin(count);
        disk.Begin(this);
    }

    public override void End(BlockResult result)
    {
        Result = result;
        // Twice would be as bad as never.
        if (Interlocked.Exchange(ref _underWay, 0) != 1) Environment.FailFast("a request ended twice");
        ended(this);
    }

    // In three pieces, as a guest's buffers are.
    private void Pin(int count)
    {
        ReadOnlySpan<int> pieces = [count / 4, count / 2, count - count / 4 - count / 2];
        int at = 0;
        foreach (int piece in pieces)
        {
            if (piece == 0) continue;
            VectorRoom[VectorCount++] = new IoVec(Marshal.UnsafeAddrOfPinnedArrayElement(Buffer, at), (nuint)piece);
            at += piece;
        }
    }
}
