using System.Buffers.Binary;
using System.IO.Compression;
using ZstdSharp;

namespace Vmm.Firmware.Boot;

/// <summary>
/// The payload of a bzImage, unpacked as it is read: never more than the kernel's own init_size, which must hold it anyway, and every
/// fault of the packed data as a <see cref="BootException"/>.
/// </summary>
internal sealed class PayloadStream : Stream
{
    // The last four bytes are the unpacked size: gzip's own trailer, or appended by the kernel's build.
    private const int SizeTrailerBytes = 4;

    // Linux packs with the strongest level, whose window is 128 MiB.
    private const int ZstdWindowLogMax = 27;

    private readonly BootFile _file;
    private readonly Stream _unpacked;
    private readonly long _limitBytes;
    private readonly long? _promisedBytes;
    private long _totalBytes;

    private PayloadStream(BootFile file, Stream unpacked, long limitBytes, long? promisedBytes)
    {
        _file = file;
        _unpacked = unpacked;
        _limitBytes = limitBytes;
        _promisedBytes = promisedBytes;
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
        long length = header.PayloadLength;
        if (compression == PayloadCompression.None) return new PayloadStream(file, file.OpenSlice(header.PayloadOffset, length), header.InitSize, null);
        Span<byte> trailer = stackalloc byte[SizeTrailerBytes];
        file.ReadExactly(header.PayloadOffset + length - SizeTrailerBytes, trailer);
        if (compression != PayloadCompression.Gzip) length -= SizeTrailerBytes;
        Stream unpacked = Unpacker(file.OpenSlice(header.PayloadOffset, length), compression);
        return new PayloadStream(file, unpacked, header.InitSize, BinaryPrimitives.ReadUInt32LittleEndian(trailer));
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            int count = _unpacked.Read(buffer);
            _totalBytes += count;
            if (_totalBytes > _limitBytes) throw _file.Error("its payload unpacks to more than init_size allows");
            if (count == 0 && buffer.Length != 0 && (_promisedBytes ?? _totalBytes) != _totalBytes)
                throw _file.Error($"its payload is damaged: it unpacks to {_totalBytes} bytes, {_promisedBytes} are promised");
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
