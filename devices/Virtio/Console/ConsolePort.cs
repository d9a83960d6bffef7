using System.Text;
using Vmm.Core.Backends;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.Devices.Virtio.Console;

/// <summary>One port: its two queues, its host end, and what the driver has still to be told of it.</summary>
internal sealed class ConsolePort : ICharReceiver, IDisposable
{
    private const int PieceBytes = 512;
    private const int MostChainsAtOnce = 128;

    // A longer chain is cut, so that the worker can be stopped soon.
    private const ulong MaxOutputBytes = 1 << 20;

    private readonly ICharBackend _backend;
    private readonly Action<ConsolePort> _changed;
    private readonly Action _wake;
    private readonly Lock _receiveGate = new();
    private VirtQueue? _receive, _transmit;
    private VirtChain? _receiveChain, _transmitChain;
    private uint _size;
    private int _news;
    private bool _isReady, _isGuestOpen, _isInterrupted;
    private ulong _toGuest, _fromGuest;

    /// <param name="index">The port's number.</param>
    /// <param name="port">What it is.</param>
    /// <param name="changed">Told when the window's size or the host end's presence has changed.</param>
    /// <param name="wake">Has the worker call <see cref="Transmit"/> and <see cref="ResumeInput"/>.</param>
    public ConsolePort(int index, VirtioConsolePort port, Action<ConsolePort> changed, Action wake)
    {
        (Index, _backend, _changed, _wake) = (index, port.Backend, changed, wake);
        Name = port.Name is null ? null : Encoding.ASCII.GetBytes(port.Name);
        if (port.Backend.Size is { } size) _size = Pack(size);
        _backend.Attach(this);
        _backend.Changed += OnBackendChanged;
    }

    public int Index { get; }

    /// <summary>Null for a console.</summary>
    public byte[]? Name { get; }

    /// <summary>Somebody is at the other end; a console never says that there is nobody, or its output would wait.</summary>
    public bool IsHostOpen => Name is null || _backend.IsConnected;

    /// <summary>Bytes that have passed. Any thread.</summary>
    public VirtioConsoleStatistics Statistics => new(Volatile.Read(ref _toGuest), Volatile.Read(ref _fromGuest));

    /// <summary>Columns in the low half, rows in the high one; 0 while unknown.</summary>
    public uint Size => Volatile.Read(ref _size);

    /// <summary>What the driver has still to be told.</summary>
    public ConsoleNews News => (ConsoleNews)Volatile.Read(ref _news);

    public void Begin(VirtQueue receive, VirtQueue transmit, bool isMultiport)
    {
        if (!isMultiport) Volatile.Write(ref _isGuestOpen, true);
        Volatile.Write(ref _transmit, transmit);
        Volatile.Write(ref _receive, receive);
        _backend.ReceiverReady();
    }

    public void Reset()
    {
        Volatile.Write(ref _receive, null);
        Volatile.Write(ref _transmit, null);
        Volatile.Write(ref _isReady, false);
        Volatile.Write(ref _isGuestOpen, false);
        Volatile.Write(ref _news, 0);
    }

    /// <summary>The driver wants to know of all ports.</summary>
    public void Announce() => Interlocked.Or(ref _news, (int)ConsoleNews.Added);

    /// <summary>The driver knows the port now, or could not take it.</summary>
    public void SetReady(bool isReady)
    {
        Volatile.Write(ref _isReady, isReady);
        ConsoleNews news = ConsoleNews.Open | (Name is null ? ConsoleNews.IsConsole : ConsoleNews.Name) | (Size != 0 && Name is null ? ConsoleNews.Size : 0);
        if (isReady) Interlocked.Or(ref _news, (int)news);
        else Volatile.Write(ref _news, 0);
    }

    /// <summary>A program in the guest has opened or closed the port. While it is closed, input stays with the host end.</summary>
    public void SetGuestOpen(bool isOpen)
    {
        Volatile.Write(ref _isGuestOpen, isOpen);
        if (isOpen) _backend.ReceiverReady();
    }

    /// <summary>The driver was told.</summary>
    public void Told(ConsoleNews what) => Interlocked.And(ref _news, ~(int)what);

    public void BuffersAdded() => _backend.ReceiverReady();

    public void WriteEmergency(byte value) => _backend.Write([value]);

    public void Resize(TerminalSize size)
    {
        uint packed = Pack(size);
        if (Interlocked.Exchange(ref _size, packed) == packed) return;
        AddNews(ConsoleNews.Size);
        _changed(this);
    }

    /// <inheritdoc/>
    public int Receive(ReadOnlySpan<byte> data)
    {
        if (Volatile.Read(ref _receive) is not { } queue || !Volatile.Read(ref _isGuestOpen)) return 0;
        int taken = 0, served = 0;
        lock (_receiveGate)
        {
            VirtChain chain = _receiveChain ??= queue.NewChain();
            for (; served < MostChainsAtOnce && taken < data.Length && queue.TryPop(chain); served++)
            {
                int count = (int)Math.Min(chain.WritableBytes, (ulong)(data.Length - taken));
                if (!chain.TryWrite(0, data.Slice(taken, count))) count = 0;
                queue.Push(chain, (uint)count);
                taken += count;
            }

            Volatile.Write(ref _toGuest, _toGuest + (ulong)taken);
        }

        queue.Signal();
        if (served < MostChainsAtOnce || taken == data.Length) return taken;
        // Enough for one turn, and the driver may have more buffers without a reason to kick.
        Volatile.Write(ref _isInterrupted, true);
        _wake();
        return taken;
    }

    /// <summary>Goes on with input that was left after the buffers of one turn. On the worker.</summary>
    public void ResumeInput()
    {
        if (Interlocked.Exchange(ref _isInterrupted, false)) _backend.ReceiverReady();
    }

    /// <summary>Passes output on, as much as there is at one time. On the worker.</summary>
    /// <returns>True when there may be more.</returns>
    public bool Transmit()
    {
        if (Volatile.Read(ref _transmit) is not { } queue) return false;
        VirtChain chain = _transmitChain ??= queue.NewChain();
        for (int served = 0; served < MostChainsAtOnce; served++)
        {
            if (!queue.TryPop(chain)) return false;
            Pass(chain);
            queue.Push(chain, 0);
            queue.Signal();
        }

        return true;
    }

    public VirtioConsolePortState Save() => new()
    {
        Columns = (ushort)Size,
        Rows = (ushort)(Size >> 16),
        IsReady = _isReady,
        IsGuestOpen = _isGuestOpen,
        News = _news,
    };

    public void Restore(VirtioConsolePortState state)
    {
        Volatile.Write(ref _size, Pack(new TerminalSize(state.Columns, state.Rows)));
        Volatile.Write(ref _isReady, state.IsReady);
        Volatile.Write(ref _isGuestOpen, state.IsGuestOpen);
        Volatile.Write(ref _news, state.News & (int)ConsoleNews.All);
    }

    public void Dispose() => _backend.Changed -= OnBackendChanged;

    private static uint Pack(TerminalSize size) => ((uint)size.Rows << 16) | size.Columns;

    private void OnBackendChanged()
    {
        if (_backend.Size is { } size) Resize(size);
        if (Name is null) return;
        AddNews(ConsoleNews.Open);
        _changed(this);
    }

    private void AddNews(ConsoleNews news)
    {
        if (Volatile.Read(ref _isReady)) Interlocked.Or(ref _news, (int)news);
    }

    private void Pass(VirtChain chain)
    {
        Span<byte> bytes = stackalloc byte[PieceBytes];
        ulong total = Math.Min(chain.ReadableBytes, MaxOutputBytes);
        for (ulong done = 0; done < total;)
        {
            Span<byte> piece = bytes[..(int)Math.Min(PieceBytes, total - done)];
            if (!chain.TryRead(done, piece)) return;
            _backend.Write(piece);
            Volatile.Write(ref _fromGuest, _fromGuest + (ulong)piece.Length);
            done += (ulong)piece.Length;
        }
    }
}
