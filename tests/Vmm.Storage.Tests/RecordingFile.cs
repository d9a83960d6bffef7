using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Storage.Tests;

/// <summary>
/// A file in memory that remembers every change. A power failure is played by replaying the changes up to a flush, and of those
/// behind it any selection: a disk may keep them in any order.
/// </summary>
internal sealed class RecordingFile(byte[] start) : IImageFile
{
    private readonly Lock _gate = new();
    private readonly List<Change> _changes = [];
    private byte[] _content = [.. start];

    /// <summary>Where the disk below it is full.</summary>
    public ulong MostBytes { get; init; } = 64 << 20;

    public string Name => "recorded";

    public bool IsReadOnly => false;

    public ulong Length => (ulong)_content.Length;

    public ulong AllocatedBytes => Length;

    /// <summary>So many changes have been made: a moment in its life.</summary>
    public int Changes
    {
        get
        {
            lock (_gate) return _changes.Count;
        }
    }

    public byte[] Content => _content;

    /// <summary>The file after a power failure.</summary>
    /// <param name="count">So many changes had been made.</param>
    /// <param name="keep">Decides about each change that no flush followed.</param>
    public byte[] AfterFailure(int count, Func<bool> keep)
    {
        int safe = _changes.FindLastIndex(Math.Max(0, count - 1), Math.Min(count, _changes.Count), c => c.IsFlush);
        byte[] content = [.. start];
        for (int i = 0; i < count; i++)
        {
            if (i < safe || keep()) Apply(ref content, _changes[i]);
        }

        return content;
    }

    public void Read(ulong offset, Span<byte> data)
    {
        data.Clear();
        lock (_gate)
        {
            if (offset < Length) _content.AsSpan((int)offset, (int)Math.Min((ulong)data.Length, Length - offset)).CopyTo(data);
        }
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
        if (offset + (ulong)data.Length > MostBytes) throw new ImageException(BlockResult.NoSpace, "the disk is full");
        Make(new Change((int)offset, data.ToArray(), -1, false));
    }

    public void Write(ulong offset, ReadOnlySpan<IoVec> vectors)
    {
        IoCursor.TrySum(vectors, out ulong count);
        byte[] data = new byte[count];
        new IoCursor(vectors).Drain(data);
        Write(offset, data);
    }

    public void Flush() => Make(new Change(0, [], -1, true));

    public void SetLength(ulong bytes) => Make(new Change(0, [], (int)bytes, false));

    public bool TryPunchHole(ulong offset, ulong count)
    {
        if (offset < Length) Write(offset, new byte[Math.Min(count, Length - offset)]);
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

    private static void Apply(ref byte[] content, Change change)
    {
        if (change.IsFlush) return;
        if (change.Length >= 0)
        {
            Array.Resize(ref content, change.Length);
            return;
        }

        if (change.Offset + change.Data.Length > content.Length) Array.Resize(ref content, change.Offset + change.Data.Length);
        change.Data.CopyTo(content, change.Offset);
    }

    private void Make(Change change)
    {
        lock (_gate)
        {
            _changes.Add(change);
            Apply(ref _content, change);
        }
    }

    private sealed record Change(int Offset, byte[] Data, int Length, bool IsFlush);
}
