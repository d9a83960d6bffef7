using Vmm.Core.Backends;
using Vmm.Host.Native;

namespace Vmm.Host.Serial;

/// <summary>
/// One descriptor at the host end of a serial line, served by the event loop: input goes to the receiver as fast as it takes it, output
/// comes from a log as fast as the descriptor takes it. All members belong to the loop's thread.
/// </summary>
internal sealed class CharPeer : IDisposable
{
    private const int InputBytes = 1024;
    private const int OutputBytes = 16 * 1024;

    private readonly EpollLoop _loop;
    private readonly LinuxFile _file;
    private readonly ICharReceiver _receiver;
    private readonly OutputLog? _output;
    private readonly Action<CharPeer> _closed;
    private readonly InputFilter? _filter;
    private readonly byte[] _input = new byte[InputBytes];
    private readonly Action _readMore;
    private EpollRegistration? _registration;
    private EpollEvents _watched;
    private int _inputStart;
    private int _inputEnd;
    private bool _inputOpen = true;
    private bool _outputBlocked;
    private long _position;
    private bool _disposed;

    /// <summary>Judges input before the guest gets it.</summary>
    /// <returns>How many of the bytes may pass; 0 to pass none. Fewer than given: the rest is dropped.</returns>
    public delegate int InputFilter(ReadOnlySpan<byte> input);

    /// <param name="loop">The event loop.</param>
    /// <param name="file">The descriptor; closed with this object.</param>
    /// <param name="receiver">Who takes input.</param>
    /// <param name="output">Where output comes from, all that it keeps; null when this descriptor is for input only.</param>
    /// <param name="closed">Called when the other end is gone, or the input when there is no output; this object is disposed then.</param>
    /// <param name="filter">Looks at input first; null for none.</param>
    public CharPeer(EpollLoop loop, LinuxFile file, ICharReceiver receiver, OutputLog? output, Action<CharPeer> closed, InputFilter? filter = null)
    {
        _loop = loop;
        _file = file;
        _receiver = receiver;
        _output = output;
        _closed = closed;
        _filter = filter;
        _readMore = ReadOnce;
        _position = output?.OldestKept ?? 0;
        _watched = EpollEvents.Readable;
        try
        {
            _registration = loop.Add(file.Fd, _watched, OnReady);
        }
        catch (LinuxException e) when (e.Error == Errno.EPERM)
        {
            // A regular file or /dev/null is always ready, so epoll does not take it: read on until its end.
            loop.Post(_readMore);
        }
    }

    /// <summary>Bytes of output that were dropped because the other end did not take them in time.</summary>
    public long DroppedBytes { get; private set; }

    /// <summary>There is output.</summary>
    public void Flush()
    {
        if (_disposed || _output is null || _outputBlocked) return;
        Span<byte> chunk = stackalloc byte[OutputBytes];
        while (true)
        {
            int count = _output.Peek(ref _position, chunk, out long lost);
            DroppedBytes += lost;
            if (count == 0) return;
            int written;
            try
            {
                written = _file.Write(chunk[..count]);
            }
            catch (LinuxException)
            {
                Close();
                return;
            }

            if (written > 0) _position += written;
            if (written == count) continue;
            _outputBlocked = true;
            UpdateWatch();
            return;
        }
    }

    /// <summary>The receiver has room again.</summary>
    public void OfferHeld()
    {
        if (_disposed || _inputStart == _inputEnd) return;
        Deliver();
        if (_inputStart != _inputEnd) return;
        if (_registration is null) _loop.Post(_readMore);
        else UpdateWatch();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _registration?.Dispose();
        _registration = null;
        _file.Dispose();
    }

    private void OnReady(EpollEvents events)
    {
        if (_disposed) return;
        if ((events & EpollEvents.Writable) != 0)
        {
            _outputBlocked = false;
            Flush();
            if (!_disposed) UpdateWatch();
        }

        if (_disposed) return;
        if ((events & (EpollEvents.Readable | EpollEvents.HangUp | EpollEvents.Error)) == 0) return;
        bool hangUp = (events & (EpollEvents.HangUp | EpollEvents.Error)) != 0;
        if (_inputOpen && _inputStart == _inputEnd) ReadOnce();
        else if (hangUp && !_inputOpen) Close();
        else if (hangUp) StopPolling();
    }

    /// <summary>The other end is gone, but the receiver has not taken all that it sent: a hang-up would be reported for ever.</summary>
    private void StopPolling()
    {
        _registration?.Dispose();
        _registration = null;
    }

    private void ReadOnce()
    {
        if (_disposed || !_inputOpen || _inputStart != _inputEnd) return;
        int count;
        try
        {
            count = _file.Read(_input);
        }
        catch (LinuxException)
        {
            Close();
            return;
        }

        if (count == 0 || (count < 0 && _registration is null))
        {
            EndInput();
            return;
        }

        _inputStart = 0;
        _inputEnd = Math.Max(0, count);
        if (_filter is not null) _inputEnd = _filter(_input.AsSpan(0, _inputEnd));
        if (_disposed) return;
        Deliver();
        if (_registration is null && _inputStart == _inputEnd) _loop.Post(_readMore);
        else UpdateWatch();
    }

    private void Deliver()
    {
        int taken = _receiver.Receive(_input.AsSpan(_inputStart, _inputEnd - _inputStart));
        _inputStart += Math.Clamp(taken, 0, _inputEnd - _inputStart);
    }

    private void UpdateWatch()
    {
        EpollEvents wanted = (_inputOpen && _inputStart == _inputEnd ? EpollEvents.Readable : EpollEvents.None)
            | (_outputBlocked ? EpollEvents.Writable : EpollEvents.None);
        if (wanted == _watched || _registration is null) return;
        _watched = wanted;
        _registration.Watch(wanted);
    }

    /// <summary>The other end sends no more; it may still read.</summary>
    private void EndInput()
    {
        _inputOpen = false;
        if (_output is null || _registration is null) Close();
        else UpdateWatch();
    }

    private void Close()
    {
        Dispose();
        _closed(this);
    }
}
