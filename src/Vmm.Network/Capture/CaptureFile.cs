using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Vmm.Network.Capture;

/// <summary>Opens files for recordings that another process makes.</summary>
public static class CaptureFile
{
    private const int BlockHeaderBytes = 8, LengthOffset = 4;

    /// <summary>Makes a file anew.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public static SafeFileHandle Create(string path) => File.OpenHandle(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite);

    /// <summary>Opens a file whose writer has died: a block that it did not finish is cut off, so that another section can follow.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be opened.</exception>
    public static SafeFileHandle Continue(string path)
    {
        SafeFileHandle file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite);
        try
        {
            RandomAccess.SetLength(file, WholeBytes(file));
            return file;
        }
        catch (NotSupportedException)
        {
            // A pipe, of which nothing can be taken back.
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The length of a file; 0 for a pipe.</summary>
    internal static long LengthOf(SafeFileHandle file)
    {
        try
        {
            return RandomAccess.GetLength(file);
        }
        catch (NotSupportedException)
        {
            return 0;
        }
    }

    // Each block of pcapng begins with its type and its length.
    private static long WholeBytes(SafeFileHandle file)
    {
        long end = RandomAccess.GetLength(file), at = 0;
        Span<byte> header = stackalloc byte[BlockHeaderBytes];
        while (at + BlockHeaderBytes <= end && RandomAccess.Read(file, header, at) == BlockHeaderBytes)
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(header[LengthOffset..]);
            if (length < BlockHeaderBytes || length > end - at) break;
            at += length;
        }

        return at;
    }
}
