using System.IO.Compression;
using ZstdSharp;

namespace Vmm.Firmware.Boot;

/// <summary>
/// The payload of a bzImage, unpacked as it is read: never more than the kernel's own init_size, which must hold it anyway, and every
/// fault of the packed data as a <see cref="BootException"/>.
/// </summary>
internal sealed class PayloadStream : Stream
{
    // All but gzip, which carries its size itself, have the unpacked size appended by the kernel's build.
    private const int SizeTrailerBytes = 4;

    // Linux packs with the strongest level, whose window is 128 MiB.
    private const int ZstdWindowLogMax = 27;

    private readonly BootFile _file;
    private readonly Stream _unpacked;
    private long _left;

    private PayloadStream(BootFile file, Stream unpacked, long limitBytes)
    {
        _file = file;
        _unpacked = unpacked;
        _left = limitBytes;
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>True for the compressions that <see cref="Open"/> reads.</summary>
    public static bool CanReadCompression(PayloadCompression compression)
        => compression is PayloadCompression.None or PayloadCompression.Gzip or PayloadCompression.Lz4 or PayloadCompression.Zstd;

    /// <summary>Opens the payload.</summary>
    /// <param name="file">The bzImage.</param>
    /// <param name="header">Its header; its payload must be known.</param>
    /// <param name="compression">One that <see cref="CanReadCompression"/> allows.</param>
    public static PayloadStream Open(BootFile file, SetupHeader header, PayloadCompression compression)
    {
        bool hasTrailer = compression is PayloadCompression.Lz4 or PayloadCompression.Zstd;
        Stream packed = file.OpenSlice(header.PayloadOffset, Math.Max(header.PayloadLength - (hasTrailer ? SizeTrailerBytes : 0), 0));
        return new PayloadStream(file, Unpacker(packed, compression), header.InitSize);
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            int count = _unpacked.Read(buffer);
            _left -= count;
            if (_left < 0) throw _file.Error("its payload unpacks to more than init_size allows");
            return count;
        }
        catch (Exception e) when (e is InvalidDataException or ZstdException or IOException)
        {
            throw new BootException($"{_file.Title}: its payload is damaged: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush() { }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) _unpacked.Dispose();
        base.Dispose(disposing);
    }

    private static Stream Unpacker(Stream packed, PayloadCompression compression)
    {
        switch (compression)
        {
            case PayloadCompression.None:
                return packed;
            case PayloadCompression.Gzip:
                return new GZipStream(packed, CompressionMode.Decompress);
            case PayloadCompression.Lz4:
                return new Lz4LegacyStream(packed);
            case PayloadCompression.Zstd:
                DecompressionStream stream = new(packed, leaveOpen: false);
                stream.SetParameter(ZstdSharp.Unsafe.ZSTD_dParameter.ZSTD_d_windowLogMax, ZstdWindowLogMax);
                return stream;
            default:
                throw new ArgumentOutOfRangeException(nameof(compression), compression, "not a compression that can be read");
        }
    }
}
