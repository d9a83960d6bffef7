using System.Buffers;
using Microsoft.Win32.SafeHandles;
using Vmm.Core.Memory;

namespace Vmm.Firmware.Boot;

/// <summary>A file the user gave to boot from. Every failure is a <see cref="BootException"/> that names the file.</summary>
internal sealed class BootFile : IDisposable
{
    private const int CopyBytes = 256 * 1024;

    private readonly SafeFileHandle _handle;

    /// <param name="role">What the file is for, e.g. "kernel"; begins every message.</param>
    /// <param name="path">The file.</param>
    public BootFile(string role, string path)
    {
        Title = $"{role} {path}";
        try
        {
            _handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new BootException($"{Title}: no such file", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new BootException($"{Title}: {(Directory.Exists(path) ? "is a directory" : "permission denied")}", e);
        }
        catch (Exception e) when (e is IOException or ArgumentException or NotSupportedException)
        {
            throw new BootException($"{Title}: cannot be opened: {OneLine(e)}", e);
        }

        try
        {
            Length = RandomAccess.GetLength(_handle);
        }
        catch (Exception e) when (e is IOException or NotSupportedException or UnauthorizedAccessException)
        {
            _handle.Dispose();
            throw new BootException($"{Title}: is not a regular file", e);
        }

        if (Length != 0) return;
        _handle.Dispose();
        throw new BootException($"{Title}: the file is empty");
    }

    /// <summary>Role and path, to begin a message with.</summary>
    public string Title { get; }

    /// <summary>Length in bytes when it was opened; never zero.</summary>
    public long Length { get; }

    public void Dispose() => _handle.Dispose();

    /// <summary>An error about this file.</summary>
    public BootException Error(string what) => new($"{Title}: {what}");

    /// <summary>Reads up to the end of the buffer or of the file.</summary>
    public int Read(long offset, Span<byte> into)
    {
        int total = 0;
        try
        {
            while (total < into.Length)
            {
                int count = RandomAccess.Read(_handle, into[total..], offset + total);
                if (count == 0) break;
                total += count;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new BootException($"{Title}: cannot be read: {OneLine(e)}", e);
        }

        return total;
    }

    /// <summary>Fills the buffer.</summary>
    public void ReadExactly(long offset, Span<byte> into)
    {
        if (Read(offset, into) != into.Length) throw Error($"ends before byte {offset + into.Length}");
    }

    /// <summary>A part of the file as a seekable stream; the file stays this object's.</summary>
    public Stream OpenSlice(long offset, long length) => new BootFileSlice(this, offset, length);

    /// <summary>Copies a part of the file into guest memory, a piece at a time.</summary>
    public void CopyTo(GuestMemory memory, GuestAddress to, long offset, long length)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(CopyBytes);
        try
        {
            while (length != 0)
            {
                Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(length, CopyBytes));
                ReadExactly(offset, piece);
                memory.Put(to, piece);
                offset += piece.Length;
                length -= piece.Length;
                to += (ulong)piece.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static string OneLine(Exception e) => e.Message.ReplaceLineEndings(" ");
}
