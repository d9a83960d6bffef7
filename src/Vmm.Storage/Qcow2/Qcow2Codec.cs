using System.IO.Compression;

namespace Vmm.Storage.Qcow2;

/// <summary>Compressed clusters. Used under a lock of the image's.</summary>
internal sealed class Qcow2Codec(Qcow2Compression compression)
{
    /// <summary>The window of 12 bits that readers of the format reserve for deflate.</summary>
    private const int DeflateWindow = 4096;

    /// <summary>That of the largest cluster.</summary>
    private const int LargestWindowLog = 21;

    /// <summary>Restores one cluster.</summary>
    /// <returns>False when the bytes are no compressed cluster.</returns>
    public bool TryExpand(byte[] packed, int packedBytes, byte[] cluster)
    {
        try
        {
            if (compression == Qcow2Compression.Zstd) return TryExpandZstd(packed, packedBytes, cluster);
            using DeflateStream stream = new(new MemoryStream(packed, 0, packedBytes, writable: false), CompressionMode.Decompress);
            return stream.ReadAtLeast(cluster, cluster.Length, throwOnEndOfStream: false) == cluster.Length;
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or ZstdSharp.ZstdException)
        {
            return false;
        }
    }

    /// <summary>Compresses one cluster.</summary>
    /// <param name="cluster">The cluster's bytes.</param>
    /// <param name="packed">Where they go: shorter than the cluster by a sector at least.</param>
    /// <returns>How many bytes they became; 0 when they do not fit.</returns>
    public int Pack(ReadOnlySpan<byte> cluster, byte[] packed)
    {
        if (compression == Qcow2Compression.Zstd)
        {
            using ZstdSharp.Compressor compressor = new(level: 3);
            return compressor.TryWrap(cluster, packed, out int written) ? written : 0;
        }

        return Deflate(cluster, packed);
    }

    // A frame may be shorter than the sectors that hold it, so it is read as a stream.
    private static bool TryExpandZstd(byte[] packed, int packedBytes, byte[] cluster)
    {
        using ZstdSharp.DecompressionStream stream = new(new MemoryStream(packed, 0, packedBytes, writable: false));
        // A frame may claim a window that no cluster needs, and it would be allocated.
        stream.SetParameter(ZstdSharp.Unsafe.ZSTD_dParameter.ZSTD_d_windowLogMax, LargestWindowLog);
        return stream.ReadAtLeast(cluster, cluster.Length, throwOnEndOfStream: false) == cluster.Length;
    }

    // A compressor that sees one window at a time cannot look back further. A flush ends its bytes on a byte border without ending the
    // stream, so the pieces follow each other as one stream; only the last is ended.
    private static int Deflate(ReadOnlySpan<byte> cluster, byte[] packed)
    {
        using MemoryStream output = new(packed.Length);
        while (!cluster.IsEmpty)
        {
            int part = Math.Min(cluster.Length, DeflateWindow);
            bool isLast = part == cluster.Length;
            long length;
            using (DeflateStream stream = new(output, CompressionLevel.Optimal, leaveOpen: true))
            {
                stream.Write(cluster[..part]);
                stream.Flush();
                length = output.Length;
            }

            if (!isLast) output.SetLength(length);
            if (output.Length > packed.Length) return 0;
            cluster = cluster[part..];
        }

        output.ToArray().CopyTo(packed, 0);
        return (int)output.Length;
    }
}
