using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.TestKit;

/// <summary>A disk in an array, which counts and fails when it is told to.</summary>
public sealed unsafe class MemoryDisk(int sizeBytes, bool isReadOnly = false) : IBlockBackend
{
    private byte[] _content = new byte[sizeBytes];

    public event Action? Resized;

    public byte[] Content => _content;

    public ulong SizeBytes => (ulong)_content.Length;

    public bool IsReadOnly => isReadOnly;

    /// <summary>How all requests end.</summary>
    public BlockResult Outcome { get; set; }

    /// <summary>What happens in the middle of a read or write.</summary>
    public Action? DuringIo { get; set; }

    /// <summary>When there is a list, requests that begin wait in it until <see cref="EndHeld"/>.</summary>
    public List<BlockRequest>? Held { get; set; }

    /// <inheritdoc/>
    public BlockLimits Limits { get; init; } = BlockLimits.Sectors;

    public int Flushes { get; private set; }

    public List<(ulong Offset, ulong Count)> Discarded { get; } = [];

    public List<(ulong Offset, ulong Count, bool MayUnmap)> Zeroed { get; } = [];

    public void Resize(int bytes)
    {
        Array.Resize(ref _content, bytes);
        Resized?.Invoke();
    }

    public void Begin(BlockRequest request)
    {
        if (Held is not null) Held.Add(request);
        else request.End(((IBlockBackend)this).Execute(request));
    }

    /// <summary>Carries one of the waiting requests out and ends it.</summary>
    public void EndHeld(int index)
    {
        BlockRequest request = Held![index];
        Held.RemoveAt(index);
        request.End(((IBlockBackend)this).Execute(request));
    }

    public BlockResult Read(ulong offset, ReadOnlySpan<IoVec> vectors) => Copy(offset, vectors, toGuest: true);

    public BlockResult Write(ulong offset, ReadOnlySpan<IoVec> vectors) => Copy(offset, vectors, toGuest: false);

    public BlockResult Flush()
    {
        Flushes++;
        return Outcome;
    }

    public BlockResult Discard(ulong offset, ulong count)
    {
        if (Discarded.Count < 1000) Discarded.Add((offset, count));
        return Outcome;
    }

    public BlockResult WriteZeroes(ulong offset, ulong count, bool mayUnmap)
    {
        if (Zeroed.Count < 1000) Zeroed.Add((offset, count, mayUnmap));
        if (Outcome == BlockResult.Ok) _content.AsSpan((int)offset, (int)count).Clear();
        return Outcome;
    }

    public void Dispose() { }

    private BlockResult Copy(ulong offset, ReadOnlySpan<IoVec> vectors, bool toGuest)
    {
        DuringIo?.Invoke();
        if (Outcome != BlockResult.Ok) return Outcome;
        foreach (IoVec vector in vectors)
        {
            if (offset > SizeBytes || vector.SizeBytes > SizeBytes - offset) return BlockResult.OutOfRange;
            // SAFETY: the vector is pinned guest memory, alive for the test.
            Span<byte> guest = new((void*)vector.HostAddress, (int)vector.SizeBytes);
            Span<byte> disk = _content.AsSpan((int)offset, guest.Length);
            if (toGuest) disk.CopyTo(guest);
            else guest.CopyTo(disk);
            offset += vector.SizeBytes;
        }

        return BlockResult.Ok;
    }
}
