using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage.Vmdk;

/// <summary>A disk in several files, one behind the other, which a descriptor names.</summary>
internal sealed class VmdkExtentsImage(IImageFile file, VmdkDescriptor descriptor) : DiskImageBase, IVmdkImage
{
    private const int Batch = 64;

    private readonly List<Piece> _pieces = [];
    private readonly Lock _gate = new();
    private ulong _sizeBytes;
    private bool _isChanged;

    public VmdkDescriptor Descriptor => descriptor;

    VmdkDescriptor? IVmdkImage.Descriptor => descriptor;

    public override ImageFormat Format => ImageFormat.Vmdk;

    public override string Name => file.Name;

    public override ulong SizeBytes => _sizeBytes;

    public override bool IsReadOnly => file.IsReadOnly;

    public override ulong AllocatedBytes => _pieces.Aggregate(file.AllocatedBytes, (sum, piece) => sum + (piece.Image?.AllocatedBytes ?? 0));

    /// <summary>Puts a piece behind the last one.</summary>
    /// <param name="bytes">Its size.</param>
    /// <param name="image">Taken over, also when this throws; null for zeros.</param>
    /// <param name="offset">Where it begins in that image.</param>
    public void Add(ulong bytes, DiskImageBase? image, ulong offset)
    {
        if (image is not null && (offset > image.SizeBytes || bytes > image.SizeBytes - offset || image.IsReadOnly != IsReadOnly))
        {
            image.Dispose();
            throw new ImageException($"{Name}: {image.Name} is smaller than its part of the disk");
        }

        if (bytes > long.MaxValue - _sizeBytes) throw new ImageException($"{Name}: the disk is too large");
        _pieces.Add(new Piece(_sizeBytes, bytes, image, offset));
        _sizeBytes += bytes;
    }

    public override BlockExtent Map(ulong offset, ulong count)
    {
        Piece piece = Find(offset);
        ulong most = Math.Min(count, piece.Start + piece.Bytes - offset);
        if (piece.Image is null) return new BlockExtent(BlockExtentKind.Zero, most);
        // Its place is one in another file than the image's own.
        return piece.Image.Map(offset - piece.Start + piece.Offset, most) with { HostOffset = null };
    }

    protected override void ReadCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count)
    {
        IoCursor cursor = new(vectors);
        Span<IoVec> batch = stackalloc IoVec[Batch];
        while (count != 0)
        {
            Piece piece = Find(offset);
            ulong bytes = Math.Min(count, piece.Start + piece.Bytes - offset);
            if (piece.Image is null)
            {
                cursor.Clear(bytes);
            }
            else
            {
                int taken = cursor.Take(bytes, batch, out bytes);
                Check(piece.Image.Read(offset - piece.Start + piece.Offset, batch[..taken]), piece.Image);
            }

            offset += bytes;
            count -= bytes;
        }
    }

    protected override void WriteCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count)
    {
        NoteChange();
        IoCursor cursor = new(vectors);
        Span<IoVec> batch = stackalloc IoVec[Batch];
        while (count != 0)
        {
            Piece piece = Find(offset);
            int taken = cursor.Take(Math.Min(count, piece.Start + piece.Bytes - offset), batch, out ulong bytes);
            if (piece.Image is null) throw new ImageException(BlockResult.NotSupported, $"{Name}: the bytes from {piece.Start} on are zeros that cannot be written");
            Check(piece.Image.Write(offset - piece.Start + piece.Offset, batch[..taken]), piece.Image);
            offset += bytes;
            count -= bytes;
        }
    }

    protected override void FlushCore()
    {
        foreach (Piece piece in _pieces)
        {
            if (piece.Image is not null) Check(piece.Image.Flush(), piece.Image);
        }

        file.Flush();
    }

    // Each extent's tables, by its own flush: there is no cheaper way to all of them from here.
    private protected override void SettleTables() => FlushCore();

    protected override void DiscardCore(ulong offset, ulong count) => ForEach(offset, count, (image, at, bytes) => image.Discard(at, bytes));

    protected override void WriteZeroesCore(ulong offset, ulong count, bool mayUnmap)
        => ForEach(offset, count, (image, at, bytes) => image.WriteZeroes(at, bytes, mayUnmap));

    protected override void ResizeCore(ulong sizeBytes)
        => throw new ImageException($"{Name}: a VMDK disk of several files cannot change its size here; convert it into one of the size that is wanted");

    protected override void Dispose(bool disposing)
    {
        foreach (Piece piece in _pieces) piece.Image?.Dispose();
        file.Dispose();
    }

    private static void Check(BlockResult result, DiskImageBase image)
    {
        if (result != BlockResult.Ok) throw new ImageException(result, image.FirstError ?? $"{image.Name}: {result}");
    }

    // What is zeros already needs nothing.
    private void ForEach(ulong offset, ulong count, Func<DiskImageBase, ulong, ulong, BlockResult> action)
    {
        NoteChange();
        while (count != 0)
        {
            Piece piece = Find(offset);
            ulong bytes = Math.Min(count, piece.Start + piece.Bytes - offset);
            if (piece.Image is { } image) Check(action(image, offset - piece.Start + piece.Offset, bytes), image);
            offset += bytes;
            count -= bytes;
        }
    }

    private Piece Find(ulong offset)
    {
        int low = 0;
        int high = _pieces.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (_pieces[middle].Start <= offset) low = middle;
            else high = middle - 1;
        }

        return _pieces[low];
    }

    private void NoteChange()
    {
        if (Volatile.Read(ref _isChanged)) return;
        lock (_gate)
        {
            if (!_isChanged) descriptor.ChangeCid();
            Volatile.Write(ref _isChanged, true);
        }
    }

    private readonly record struct Piece(ulong Start, ulong Bytes, DiskImageBase? Image, ulong Offset);
}
