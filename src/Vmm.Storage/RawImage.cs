using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage;

/// <summary>
/// A disk that lies in its file byte for byte. A length that is no whole number of sectors is rounded up: the rest reads as zeros,
/// and a regular file grows when it is written.
/// </summary>
public sealed class RawImage : DiskImageBase
{
    private readonly IImageFile _file;
    private ulong _sizeBytes;

    internal RawImage(IImageFile file)
    {
        _file = file;
        ulong length = file.Length;
        if (length > long.MaxValue - IBlockBackend.SectorBytes) throw new ImageException($"{file.Name} is too long");
        _sizeBytes = (length + IBlockBackend.SectorBytes - 1) / IBlockBackend.SectorBytes * IBlockBackend.SectorBytes;
    }

    /// <inheritdoc/>
    public override ImageFormat Format => ImageFormat.Raw;

    /// <inheritdoc/>
    public override string Name => _file.Name;

    /// <inheritdoc/>
    public override ulong SizeBytes => Volatile.Read(ref _sizeBytes);

    /// <inheritdoc/>
    public override bool IsReadOnly => _file.IsReadOnly;

    /// <inheritdoc/>
    public override ulong AllocatedBytes => _file.AllocatedBytes;

    /// <inheritdoc/>
    public override BlockLimits Limits
        => _file.Host is { } host ? BlockLimits.Sectors with { PhysicalBlockBytes = host.PhysicalBlockBytes } : BlockLimits.Sectors;

    /// <inheritdoc/>
    public override BlockExtent Map(ulong offset, ulong count)
    {
        ulong length = _file.Length;
        if (offset >= length) return new BlockExtent(BlockExtentKind.Zero, count);
        bool isData = _file.IsData(offset, out ulong end);
        ulong part = Math.Min(count, end - offset);
        return new BlockExtent(isData ? BlockExtentKind.Data : BlockExtentKind.Zero, part, offset);
    }

    /// <inheritdoc/>
    protected override void ReadCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count) => _file.Read(offset, vectors);

    /// <inheritdoc/>
    protected override void WriteCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count) => _file.Write(offset, vectors);

    /// <inheritdoc/>
    protected override bool TryBeginTransfer(BlockRequest request)
        => _file.Host is { } host && Engine!.TryBegin(host, request.Offset, request, this, ticket: 0);

    /// <inheritdoc/>
    protected override bool TakesTurns(BlockRequest request) => false;

    /// <inheritdoc/>
    protected override void FlushCore() => _file.Flush();

    /// <inheritdoc/>
    protected override void DiscardCore(ulong offset, ulong count) => _file.TryDiscard(offset, count);

    /// <inheritdoc/>
    protected override void WriteZeroesCore(ulong offset, ulong count, bool mayUnmap) => ZeroWriter.Zero(_file, offset, count, mayUnmap);

    /// <inheritdoc/>
    protected override void ResizeCore(ulong sizeBytes)
    {
        if (sizeBytes % IBlockBackend.SectorBytes != 0 || sizeBytes > long.MaxValue)
            throw new ImageException($"a disk has a whole number of {IBlockBackend.SectorBytes}-byte sectors");
        _file.SetLength(sizeBytes);
        Volatile.Write(ref _sizeBytes, sizeBytes);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => _file.Dispose();
}
