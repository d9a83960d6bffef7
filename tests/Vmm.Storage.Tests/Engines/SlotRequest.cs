using System.Runtime.InteropServices;
using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage.Tests.Engines;

/// <summary>A request with memory of its own, which says when it has ended.</summary>
internal sealed class SlotRequest(int owner, int bytes, Action<SlotRequest> ended) : BlockRequest(4)
{
    // As a guest's pages are, for I/O past the page cache.
    private const int Alignment = 4096;
    private const int PieceAlignment = 512;

    private readonly byte[] _memory = GC.AllocateArray<byte>(bytes + Alignment, pinned: true);
    private int _underWay;

    /// <summary>Whose it is.</summary>
    public int Owner => owner;

    /// <summary>The memory.</summary>
    public Span<byte> Buffer => _memory.AsSpan(Start, bytes);

    private int Start => (int)(-Marshal.UnsafeAddrOfPinnedArrayElement(_memory, 0) & (Alignment - 1));

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
        int quarter = count / 4 / PieceAlignment * PieceAlignment, half = count / 2 / PieceAlignment * PieceAlignment;
        ReadOnlySpan<int> pieces = [quarter, half, count - quarter - half];
        int at = Start;
        foreach (int piece in pieces)
        {
            if (piece == 0) continue;
            VectorRoom[VectorCount++] = new IoVec(Marshal.UnsafeAddrOfPinnedArrayElement(_memory, at), (nuint)piece);
            at += piece;
        }
    }
}
