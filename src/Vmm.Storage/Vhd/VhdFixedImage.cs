using Vmm.Core.Memory;

namespace Vmm.Storage.Vhd;

/// <summary>A VHD disk whose bytes all lie in the file, with a footer behind them.</summary>
internal sealed class VhdFixedImage : DiskImageBase, IVhdImage
{
    private readonly IImageFile _file;
    private VhdFooter _footer;
    private ulong _sizeBytes;

    /// <param name="file">Taken over.</param>
    /// <param name="footer">Found in it.</param>
    public VhdFixedImage(IImageFile file, VhdFooter footer)
    {
        _file = file;
        _footer = footer;
        _sizeBytes = footer.DiskBytes;
        if (file.Length < _sizeBytes + VhdFooter.Bytes) throw new ImageException($"{file.Name} is shorter than its disk");
    }

    public VhdFooter Footer => _footer;

    public override ImageFormat Format => ImageFormat.Vhd;

    public override string Name => _file.Name;

    public override ulong SizeBytes => Volatile.Read(ref _sizeBytes);

    public override bool IsReadOnly => _file.IsReadOnly;

    public override ulong AllocatedBytes => _file.AllocatedBytes;

    public override BlockExtent Map(ulong offset, ulong count)
    {
        bool isData = _file.IsData(offset, out ulong end);
        return new BlockExtent(isData ? BlockExtentKind.Data : BlockExtentKind.Zero, Math.Min(count, end - offset), offset);
    }

    protected override void ReadCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count) => _file.Read(offset, vectors);

    protected override void WriteCore(ulong offset, ReadOnlySpan<IoVec> vectors, ulong count) => _file.Write(offset, vectors);

    protected override void FlushCore() => _file.Flush();

    protected override void DiscardCore(ulong offset, ulong count) => _file.TryPunchHole(offset, count);

    protected override void WriteZeroesCore(ulong offset, ulong count, bool mayUnmap) => ZeroWriter.Zero(_file, offset, count, mayUnmap);

    // At every moment there is one whole footer at the end of the file.
    protected override void ResizeCore(ulong sizeBytes)
    {
        VhdCreator.SizeFor(sizeBytes, force: true);
        ulong old = _file.Length - VhdFooter.Bytes;
        VhdFooter footer = _footer.Resized(sizeBytes);
        if (sizeBytes < _sizeBytes)
        {
            _file.Write(sizeBytes, footer.Content);
            _file.Flush();
            Volatile.Write(ref _sizeBytes, sizeBytes);
            _file.SetLength(sizeBytes + VhdFooter.Bytes);
        }
        else if (sizeBytes > _sizeBytes)
        {
            _file.SetLength(sizeBytes + VhdFooter.Bytes);
            _file.Write(sizeBytes, footer.Content);
            _file.Flush();
            // What lay behind the disk is disk now, the old footer included; where the two overlap, the new one stays.
            if (old < sizeBytes) ZeroWriter.Write(_file, old, Math.Min(VhdFooter.Bytes, sizeBytes - old));
            ZeroWriter.Write(_file, _sizeBytes, Math.Min(old, sizeBytes) - _sizeBytes);
        }

        _file.Flush();
        _footer = footer;
        Volatile.Write(ref _sizeBytes, sizeBytes);
    }

    protected override void Dispose(bool disposing) => _file.Dispose();
}
