using System.Runtime.InteropServices;
using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Host.Tests.Aio;

/// <summary>A request for a file, with its memory.</summary>
internal sealed class FileRequest : BlockRequest
{
    private readonly byte[] _memory;

    /// <param name="operation">Read or write.</param>
    /// <param name="data">What is written, or room for what is read.</param>
    /// <param name="pieces">In so many vectors.</param>
    /// <param name="misalignment">Bytes by which the memory misses a page.</param>
    public FileRequest(BlockOperation operation, byte[] data, int pieces, int misalignment = 0) : base(2000)
    {
        _memory = GC.AllocateArray<byte>(data.Length + 8192, pinned: true);
        nint start = Marshal.UnsafeAddrOfPinnedArrayElement(_memory, 0);
        At = (int)(((start + 4095) & ~4095) - start) + misalignment;
        data.CopyTo(_memory.AsSpan(At));
        (Operation, Count) = (operation, (ulong)data.Length);
        int piece = data.Length / pieces;
        for (int at = 0; at < data.Length; at += piece)
            VectorRoom[VectorCount++] = new IoVec(start + At + at, (nuint)Math.Min(piece, data.Length - at));
    }

    /// <summary>The bytes.</summary>
    public ReadOnlySpan<byte> Data => _memory.AsSpan(At, (int)Count);

    private int At { get; }

    public override void End(BlockResult result) => throw new InvalidOperationException("transfers end, not this");
}
