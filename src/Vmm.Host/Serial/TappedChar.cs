using Vmm.Core.Backends;

namespace Vmm.Host.Serial;

/// <summary>
/// A serial line on which others can listen and type, beside who is at its host end: the last output is kept, each listener reads it from a position of
/// its own and so never holds the guest up, and what is typed goes to the guest as fast as it takes it.
/// </summary>
public sealed class TappedChar : ICharBackend
{
    private const int KeptBytes = 64 * 1024;
    private const int MostWaiting = 64;

    private readonly EpollLoop _loop;
    private readonly ICharBackend _line;
    private readonly OutputLog _log = new(KeptBytes);
    private readonly Action _offer;

    // These belong to the loop's thread.
    private readonly LinkedList<Typing> _waiting = [];
    private ICharReceiver? _receiver;

    /// <param name="loop">The event loop.</param>
    /// <param name="line">The line; disposed with this object.</param>
    public TappedChar(EpollLoop loop, ICharBackend line)
    {
        (_loop, _line) = (loop, line);
        _offer = Offer;
    }

    /// <summary>There is output. Any thread, often a vCPU's: must not block.</summary>
    public event Action? Written;

    /// <inheritdoc/>
    public event Action? Changed
    {
        add => _line.Changed += value;
        remove => _line.Changed -= value;
    }

    /// <inheritdoc/>
    public bool IsConnected => _line.IsConnected;

    /// <inheritdoc/>
    public TerminalSize? Size => _line.Size;

    /// <summary>The line itself.</summary>
    public ICharBackend Line => _line;

    /// <summary>Whether the guest's end knows breaks.</summary>
    public bool TakesBreaks => Volatile.Read(ref _receiver)?.TakesBreaks ?? false;

    /// <summary>The position from which a new listener gets everything that is kept.</summary>
    public long OldestKept => _log.OldestKept;

    /// <summary>Reads output.</summary>
    /// <param name="position">The listener's position; moved behind what was read.</param>
    /// <param name="to">Filled as far as there is output.</param>
    /// <param name="lost">Bytes before it that are not kept any more.</param>
    public int Read(ref long position, Span<byte> to, out long lost)
    {
        int count = _log.Peek(ref position, to, out lost);
        position += count;
        return count;
    }

    /// <summary>Types, after a break if that is asked for. Ends when the guest has taken all.</summary>
    /// <param name="data">The bytes; not to be changed meanwhile.</param>
    /// <param name="beginsWithBreak">A break comes first.</param>
    /// <param name="cancellation">When the guest takes too long. What it has taken stays taken.</param>
    /// <returns>How many bytes were taken; fewer than given when it was cancelled, or when too many wait already.</returns>
    public async Task<int> TypeAsync(ReadOnlyMemory<byte> data, bool beginsWithBreak, CancellationToken cancellation)
    {
        Typing typing = new(data, beginsWithBreak);
        if (!_loop.Post(() => Add(typing))) return 0;
        using CancellationTokenRegistration end = cancellation.Register(() => _loop.Post(() => End(typing)));
        return await typing.Done.Task.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> data)
    {
        _line.Write(data);
        _log.Append(data);
        Written?.Invoke();
    }

    /// <inheritdoc/>
    public void Attach(ICharReceiver receiver)
    {
        _line.Attach(receiver);
        _loop.Invoke(() =>
        {
            Volatile.Write(ref _receiver, receiver);
            Offer();
        });
    }

    /// <inheritdoc/>
    public void ReceiverReady()
    {
        _line.ReceiverReady();
        _loop.Post(_offer);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _loop.Invoke(() =>
        {
            foreach (Typing typing in _waiting) typing.Done.TrySetResult(typing.Taken);
            _waiting.Clear();
        });
        _line.Dispose();
    }

    private void Add(Typing typing)
    {
        if (_waiting.Count == MostWaiting)
        {
            typing.Done.TrySetResult(0);
            return;
        }

        _waiting.AddLast(typing);
        Offer();
    }

    private void End(Typing typing)
    {
        _waiting.Remove(typing);
        typing.Done.TrySetResult(typing.Taken);
    }

    private void Offer()
    {
        while (_receiver is not null && _waiting.First is { Value: var typing })
        {
            if (typing.NeedsBreak && !_receiver.ReceiveBreak()) return;
            typing.NeedsBreak = false;
            if (typing.Taken < typing.Data.Length) typing.Taken += _receiver.Receive(typing.Data.Span[typing.Taken..]);
            if (typing.Taken < typing.Data.Length) return;
            _waiting.RemoveFirst();
            typing.Done.TrySetResult(typing.Taken);
        }
    }

    private sealed class Typing(ReadOnlyMemory<byte> data, bool needsBreak)
    {
        public ReadOnlyMemory<byte> Data => data;

        public bool NeedsBreak { get; set; } = needsBreak;

        public int Taken { get; set; }

        public TaskCompletionSource<int> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
