using Microsoft.Win32.SafeHandles;
using Vmm.Core.Backends;
using Vmm.Core.Memory;

namespace Vmm.Network.Capture;

/// <summary>
/// Frames on their way into a pcapng file. Whoever appends never waits for the disk: what does not fit the buffer is counted as lost. When
/// the disk takes no more, the file ends with the last whole packet, and nothing else suffers. Any thread appends.
/// </summary>
internal sealed class FrameCapture : IDisposable
{
    // Two of them: one is filled while the other is written.
    private const int BufferBytes = 2 << 20;

    private readonly Lock _gate = new();
    private readonly SafeFileHandle _file;
    private readonly Action<string> _report;
    private readonly IWorker _writer;
    private readonly string _path;
    private readonly int _snapLength;
    private byte[] _filling = new byte[BufferBytes];
    private byte[] _writing = new byte[BufferBytes];
    private int _filled;
    private long _position;
    private ulong _taken, _lost;
    private bool _isOver;

    public FrameCapture(SafeFileHandle file, string path, string name, int snapLength, IWorkers workers, Action<string> report)
    {
        (_file, _path, _snapLength, _report) = (file, path, snapLength, report);
        byte[] header = PcapNg.Header(name, snapLength);
        header.CopyTo(_filling, 0);
        _filled = header.Length;
        _position = CaptureFile.LengthOf(file);
        _writer = workers.Create("capture", Flush);
        _writer.Wake();
    }

    /// <summary>Frames that were kept, and those that came too fast.</summary>
    public (ulong Taken, ulong Lost) Counts
    {
        get
        {
            lock (_gate) return (_taken, _lost);
        }
    }

    /// <summary>Adds a frame.</summary>
    /// <param name="direction">Which way it goes.</param>
    /// <param name="vectors">Header and frame.</param>
    /// <param name="count">Bytes of both together, at most what the vectors hold.</param>
    public void Append(CaptureDirection direction, ReadOnlySpan<IoVec> vectors, int count)
    {
        int original = count - INetBackend.HeaderBytes;
        int captured = Math.Min(original, _snapLength);
        if (original < 0) return;
        int bytes = PcapNg.PacketBytes(captured);
        IoCursor cursor = new(vectors);
        cursor.Skip(INetBackend.HeaderBytes);
        lock (_gate)
        {
            if (_isOver) return;
            if (bytes > BufferBytes - _filled)
            {
                _lost++;
                return;
            }

            cursor.Drain(PcapNg.Packet(_filling.AsSpan(_filled, bytes), NowNs(), captured, original, direction));
            _taken++;
            _filled += bytes;
            if (_filled != bytes) return;
        }

        _writer.Wake();
    }

    /// <summary>Writes what is left.</summary>
    public void Dispose()
    {
        _writer.Dispose();
        Flush();
        lock (_gate)
        {
            if (!_isOver) Write(PcapNg.Statistics(NowNs(), _taken + _lost, _lost));
            _isOver = true;
        }

        _file.Dispose();
    }

    private static ulong NowNs() => (ulong)(DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100;

    private void Flush()
    {
        int count;
        lock (_gate)
        {
            if (_isOver || _filled == 0) return;
            (_filling, _writing) = (_writing, _filling);
            (count, _filled) = (_filled, 0);
        }

        Write(_writing.AsSpan(0, count));
    }

    private void Write(ReadOnlySpan<byte> blocks)
    {
        try
        {
            RandomAccess.Write(_file, blocks, _position);
            _position += blocks.Length;
        }
        catch (IOException e)
        {
            lock (_gate) _isOver = true;
            Trim();
            _report($"capture to {_path} has stopped: {e.Message}");
        }
    }

    private void Trim()
    {
        try
        {
            RandomAccess.SetLength(_file, _position);
        }
        catch (IOException)
        {
            // A reader of the file sees a last packet that is cut off, and says so.
        }
    }
}
