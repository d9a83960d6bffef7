using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Storage;

namespace Vmm.Fuzz.Storage;

/// <summary>An image's file in memory, which does not grow without bound.</summary>
internal sealed class MemoryImageFile(byte[] content, bool isReadOnly) : IImageFile
{
    private const ulong MostBytes = 16 << 20;

    private byte[] _content = content;
    private int _length = content.Length;

    public string Name => "input";

    public bool IsReadOnly => isReadOnly;

    public ulong Length => (ulong)_length;

    public ulong AllocatedBytes => Length;

    public byte[] ToArray() => _content[.._length];

    public void Read(ulong offset, Span<byte> data)
    {
        data.Clear();
        if (offset < Length) _content.AsSpan((int)offset, (int)Math.Min((ulong)data.Length, Length - offset)).CopyTo(data);
    }

    public void Read(ulong offset, ReadOnlySpan<IoVec> vectors)
    {
        IoCursor.TrySum(vectors, out ulong count);
        byte[] data = new byte[count];
        Read(offset, data);
        new IoCursor(vectors).Fill(data);
    }

    public void Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (isReadOnly) throw new InvalidOperationException("a file that is open for reading only is written");
        if (offset > MostBytes || (ulong)data.Length > MostBytes - offset) throw new ImageException(BlockResult.NoSpace, "the disk is full");
        Grow(offset + (ulong)data.Length);
        data.CopyTo(_content.AsSpan((int)offset));
    }

    public void Write(ulong offset, ReadOnlySpan<IoVec> vectors)
    {
        IoCursor.TrySum(vectors, out ulong count);
        byte[] data = new byte[count];
        new IoCursor(vectors).Drain(data);
        Write(offset, data);
    }

    public void Flush()
    {
    }

    public void SetLength(ulong bytes)
    {
        if (isReadOnly) throw new InvalidOperationException("a file that is open for reading only is resized");
        if (bytes > MostBytes) throw new ImageException(BlockResult.NoSpace, "the disk is full");
        Grow(bytes);
        _content.AsSpan((int)bytes).Clear();
        _length = (int)bytes;
    }

    public bool TryPunchHole(ulong offset, ulong count)
    {
        if (isReadOnly) throw new InvalidOperationException("a file that is open for reading only is punched");
        if (offset < Length) _content.AsSpan((int)offset, (int)Math.Min(count, Length - offset)).Clear();
        return true;
    }

    public bool TryZero(ulong offset, ulong count) => false;

    public bool IsData(ulong offset, out ulong end)
    {
        end = Length;
        return true;
    }

    public void Dispose()
    {
    }

    private void Grow(ulong bytes)
    {
        if (bytes > (ulong)_content.Length) Array.Resize(ref _content, (int)Math.Max(bytes, (ulong)_content.Length * 2));
        _length = Math.Max(_length, (int)bytes);
    }
}
