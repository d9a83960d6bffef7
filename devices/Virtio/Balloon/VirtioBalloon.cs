using System.Buffers.Binary;
using Vmm.Core.Backends;
using Vmm.Core.Memory;
using Vmm.Core.State;
using Vmm.Core.Time;
using Vmm.Devices.Virtio.Queue;
using static Vmm.Devices.Virtio.Balloon.VirtioBalloonRegisters;

namespace Vmm.Devices.Virtio.Balloon;

/// <summary>
/// The memory balloon (virtio 1.2 §5.5): the guest gives pages up as the target says, and reports pages that it has freed; the host gets
/// them back at once. A page that the guest touches again is simply there again, filled with zeros.
/// </summary>
public sealed class VirtioBalloon : IVirtioDevice, IStateful<VirtioBalloonState>, IDisposable
{
    private const ushort BalloonDevice = 5;
    private const uint OtherMemory = 0x058000;
    private const ushort QueueSize = 128;
    private const int Batch = 16;

    // Without the hints that are not offered, Linux and others number the reports 3, the specification 4: both queues take them.
    private static readonly ushort[] Sizes = [QueueSize, QueueSize, QueueSize, QueueSize, QueueSize];

    private readonly VirtioBalloonOptions _options;
    private readonly IClock _clock;
    private readonly IWorker _worker;
    private readonly IClockTimer _poll;
    private readonly BalloonPages _inflated, _reported;
    private VirtioActivation? _activation;
    private VirtChain? _chain;
    private GuestMemoryStatistics? _guest;
    private uint _target, _actual, _poison;
    private ulong _deflatedBytes;
    private bool _isPollDue, _isReportDue;

    private enum Work
    {
        Inflate,
        Deflate,
        Report,
        Ignore,
    }

    /// <param name="memory">Guest memory.</param>
    /// <param name="options">How it is made.</param>
    /// <param name="clock">Says when to ask for statistics.</param>
    /// <param name="workers">Who does the work.</param>
    public VirtioBalloon(GuestMemory memory, VirtioBalloonOptions options, IClock clock, IWorkers workers)
    {
        (_options, _clock) = (options, clock);
        (_inflated, _reported) = (new BalloonPages(memory), new BalloonPages(memory));
        _target = ToPages(options.TargetBytes);
        _worker = workers.Create(Name, Serve);
        _poll = clock.CreateTimer(PollDue);
    }

    /// <inheritdoc/>
    public string Name => "virtio-balloon";

    /// <inheritdoc/>
    public ushort DeviceId => BalloonDevice;

    /// <inheritdoc/>
    public uint PciClass => OtherMemory;

    /// <inheritdoc/>
    public ulong OfferedFeatures => VirtioFeatures.VIRTIO_F_IN_ORDER | VIRTIO_BALLOON_F_STATS_VQ
        | (_options.DeflateOnOom ? VIRTIO_BALLOON_F_DEFLATE_ON_OOM : 0)
        | (_options.Reporting ? VIRTIO_BALLOON_F_PAGE_REPORTING | VIRTIO_BALLOON_F_PAGE_POISON : 0);

    /// <inheritdoc/>
    public ReadOnlySpan<ushort> QueueSizes => Sizes;

    /// <inheritdoc/>
    public uint ConfigBytes => VirtioBalloonRegisters.ConfigBytes;

    /// <summary>What it has done so far, and what the guest says. Any thread.</summary>
    public VirtioBalloonStatistics Statistics => new((ulong)Volatile.Read(ref _target) << PageShift, (ulong)Volatile.Read(ref _actual) << PageShift,
        Volatile.Read(ref _inflated.Discarded), Volatile.Read(ref _deflatedBytes), Volatile.Read(ref _reported.Discarded),
        Volatile.Read(ref _inflated.Refused) + Volatile.Read(ref _reported.Refused), Volatile.Read(ref _guest));

    /// <summary>Says how much the balloon is to take from the guest, which does it as fast as it can, or not at all. Any thread.</summary>
    public void SetTarget(ulong bytes)
    {
        uint pages = ToPages(bytes);
        if (Interlocked.Exchange(ref _target, pages) != pages) Volatile.Read(ref _activation)?.ConfigChanged();
    }

    /// <inheritdoc/>
    public void ReadConfig(uint offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[VirtioBalloonRegisters.ConfigBytes];
        config.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(config[NumPages..], Volatile.Read(ref _target));
        BinaryPrimitives.WriteUInt32LittleEndian(config[Actual..], Volatile.Read(ref _actual));
        BinaryPrimitives.WriteUInt32LittleEndian(config[PoisonValue..], Volatile.Read(ref _poison));
        config.Slice((int)offset, data.Length).CopyTo(data);
    }

    /// <inheritdoc/>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> data)
    {
        Span<byte> config = stackalloc byte[VirtioBalloonRegisters.ConfigBytes];
        ReadConfig(0, config);
        data.CopyTo(config[(int)offset..]);
        Volatile.Write(ref _actual, BinaryPrimitives.ReadUInt32LittleEndian(config[Actual..]));
        if (_options.Reporting) Volatile.Write(ref _poison, BinaryPrimitives.ReadUInt32LittleEndian(config[PoisonValue..]));
    }

    /// <inheritdoc/>
    public void Activate(VirtioActivation activation)
    {
        Volatile.Write(ref _activation, activation);
        Volatile.Write(ref _isReportDue, true);
        ArmPoll();
        _worker.Wake();
    }

    /// <inheritdoc/>
    public void OnKick(int queue)
    {
        if (queue == StatisticsQueue) Volatile.Write(ref _isReportDue, true);
        _worker.Wake();
    }

    /// <inheritdoc/>
    public int KickDescriptor(int queue) => queue == StatisticsQueue ? -1 : _worker.WakeDescriptor;

    /// <inheritdoc/>
    public void Reset()
    {
        Volatile.Write(ref _activation, null);
        _poll.Disarm();
        Volatile.Write(ref _actual, 0);
        Volatile.Write(ref _poison, 0);
        Volatile.Write(ref _guest, null);
    }

    /// <inheritdoc/>
    public VirtioBalloonState Save() => new() { TargetPages = _target, ActualPages = _actual, PoisonValue = _poison };

    /// <inheritdoc/>
    public void Restore(VirtioBalloonState state)
    {
        if (state.Version != VirtioBalloonState.CurrentVersion) throw new StateException($"virtio-balloon: state version {state.Version} cannot be restored");
        Volatile.Write(ref _target, state.TargetPages);
        Volatile.Write(ref _actual, state.ActualPages);
        Volatile.Write(ref _poison, state.PoisonValue);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _poll.Dispose();
        _worker.Dispose();
    }

    private static uint ToPages(ulong bytes) => (uint)Math.Min(bytes >> PageShift, uint.MaxValue);

    private void ArmPoll()
    {
        if (_options.StatisticsIntervalNs != 0) _poll.Arm(_clock.NowNs + _options.StatisticsIntervalNs);
    }

    private void PollDue()
    {
        if (Volatile.Read(ref _activation) is null) return;
        Volatile.Write(ref _isPollDue, true);
        _worker.Wake();
        ArmPoll();
    }

    private void Serve()
    {
        if (Volatile.Read(ref _activation) is not { } activation) return;
        _chain ??= activation.Queues[InflateQueue].NewChain();
        bool isMore = Drain(activation.Queues[InflateQueue], Work.Inflate);
        isMore |= Drain(activation.Queues[DeflateQueue], Work.Deflate);
        bool hasStatistics = activation.Has(VIRTIO_BALLOON_F_STATS_VQ);
        if (hasStatistics) ServeStatistics(activation.Queues[StatisticsQueue]);
        // A poisoned page must read as it was left, so it cannot go (§5.5.6.7).
        Work reports = activation.Has(VIRTIO_BALLOON_F_PAGE_REPORTING) && Volatile.Read(ref _poison) == 0 ? Work.Report : Work.Ignore;
        for (int i = hasStatistics ? StatisticsQueue + 1 : StatisticsQueue; i < Sizes.Length; i++) isMore |= Drain(activation.Queues[i], reports);
        if (isMore) _worker.Wake();
    }

    // True when there may be more.
    private bool Drain(VirtQueue queue, Work work)
    {
        int served = 0;
        while (served < Batch && queue.TryPop(_chain!))
        {
            Take(_chain!, work);
            queue.Push(_chain!, 0);
            served++;
        }

        if (served != 0) queue.Signal();
        return served == Batch;
    }

    private void Take(VirtChain chain, Work work)
    {
        switch (work)
        {
            case Work.Inflate:
                _inflated.TakeFrames(chain);
                break;
            case Work.Deflate:
                Volatile.Write(ref _deflatedBytes, _deflatedBytes + (BalloonPages.CountFrames(chain) << PageShift));
                break;
            case Work.Report:
                _reported.TakeRanges(chain);
                break;
        }
    }

    // The driver's buffer stays in the ring, filled, until newer statistics are wanted; it is read where it is.
    private void ServeStatistics(VirtQueue queue)
    {
        if (Volatile.Read(ref _isPollDue))
        {
            Volatile.Write(ref _isPollDue, false);
            if (!queue.TryPop(_chain!)) return;
            queue.Push(_chain!, 0);
            queue.Signal();
            // Looked at once more below, which also asks for a kick at the next one.
            Volatile.Write(ref _isReportDue, true);
        }

        if (!Volatile.Read(ref _isReportDue)) return;
        Volatile.Write(ref _isReportDue, false);
        if (!queue.TryPop(_chain!)) return;
        Volatile.Write(ref _guest, BalloonReport.Read(_chain!, _clock.NowNs));
        queue.Return(_chain!);
    }
}
