using Microsoft.Win32.SafeHandles;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Host;

namespace Vmm.Network.Capture;

/// <summary>A link whose frames can be recorded, from and to any moment. While nothing is recorded it costs one look at a field.</summary>
public sealed class CaptureBackend : INetBackend
{
    /// <summary>All of every frame, also of one that is to be cut.</summary>
    public const int WholeFrames = 262_144;

    private readonly INetBackend _link;
    private readonly IWorkers _workers;
    private readonly string _name;
    private readonly Action<string> _report;
    private readonly Lock _gate = new();
    private FrameCapture? _capture;

    /// <param name="link">The link itself. Disposed with this object.</param>
    /// <param name="name">What the file calls it.</param>
    /// <param name="workers">Who writes the file.</param>
    /// <param name="report">Takes one line when the disk takes no more.</param>
    public CaptureBackend(INetBackend link, string name, IWorkers workers, Action<string> report)
        => (_link, _name, _workers, _report) = (link, name, workers, report);

    /// <inheritdoc/>
    public event Action? LinkChanged
    {
        add => _link.LinkChanged += value;
        remove => _link.LinkChanged -= value;
    }

    /// <inheritdoc/>
    public int QueueCount => _link.QueueCount;

    /// <inheritdoc/>
    public NetOffloads Offloads => _link.Offloads;

    /// <inheritdoc/>
    public bool IsLinkUp => _link.IsLinkUp;

    /// <summary>Frames recorded and lost since the start of the recording that runs; null while none does.</summary>
    public (ulong Taken, ulong Lost)? Recorded => Volatile.Read(ref _capture)?.Counts;

    /// <summary>Begins to record, after the end of an earlier recording. Any thread.</summary>
    /// <param name="path">A pcapng file, made anew.</param>
    /// <param name="snapLength">The most bytes of each frame.</param>
    /// <exception cref="IOException">The file cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public void Start(string path, int snapLength = WholeFrames)
        => Start(() => File.OpenHandle(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite), path, snapLength);

    /// <summary>Begins to record behind what a file has already. Any thread.</summary>
    /// <param name="file">The file, open for writing; becomes this object's.</param>
    /// <param name="path">Its name, for people.</param>
    /// <param name="snapLength">The most bytes of each frame.</param>
    public void Start(LinuxFile file, string path, int snapLength) => Start(file.IntoFileHandle, path, snapLength);

    private void Start(Func<SafeFileHandle> open, string path, int snapLength)
    {
        lock (_gate)
        {
            StopLocked();
            Volatile.Write(ref _capture, new FrameCapture(open(), path, _name, snapLength, _workers, _report));
        }
    }

    /// <summary>Ends the recording, if one runs. Any thread.</summary>
    public void Stop()
    {
        lock (_gate) StopLocked();
    }

    /// <inheritdoc/>
    public void Attach(INetReceiver receiver) => _link.Attach(receiver);

    /// <inheritdoc/>
    public void Configure(NetOffloads accepted, int queues) => _link.Configure(accepted, queues);

    /// <inheritdoc/>
    public NetSendResult Send(int queue, ReadOnlySpan<IoVec> frame)
    {
        NetSendResult result = _link.Send(queue, frame);
        if (result == NetSendResult.Sent && Volatile.Read(ref _capture) is { } capture && IoCursor.TrySum(frame, out ulong count))
            capture.Append(CaptureDirection.Outbound, frame, (int)Math.Min(count, INetBackend.MostFrameBytes));
        return result;
    }

    /// <inheritdoc/>
    public int Receive(int queue, ReadOnlySpan<IoVec> into)
    {
        int count = _link.Receive(queue, into);
        if (count != 0) Volatile.Read(ref _capture)?.Append(CaptureDirection.Inbound, into, count);
        return count;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        _link.Dispose();
    }

    private void StopLocked()
    {
        FrameCapture? capture = _capture;
        Volatile.Write(ref _capture, null);
        capture?.Dispose();
    }
}
