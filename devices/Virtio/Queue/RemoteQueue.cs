using Vmm.Core.State;

namespace Vmm.Devices.Virtio.Queue;

/// <summary>A queue that an <see cref="IVirtioRemoteDevice"/> has served elsewhere: only whether it runs is known here. Guarded by the core's lock.</summary>
internal sealed class RemoteQueue(IVirtioRemoteDevice device, int index, ushort maxSize) : IQueueEnd
{
    private VirtQueueSetup _setup;
    private VirtRingPosition _position;
    private ulong _features;
    private bool _isRunning, _isHeld, _wasServed;

    public ushort MaxSize => maxSize;

    public bool IsIdle => device.IsQueueIdle(index);

    public void Start(in VirtQueueSetup setup, ulong features) => Start(setup, features, OriginOf(features));

    public void Stop()
    {
        if (!_isRunning) return;
        _isRunning = false;
        if (!_isHeld) device.StopQueue(index);
    }

    public void Hold(bool isHeld)
    {
        if (_isHeld == isHeld) return;
        _isHeld = isHeld;
        if (!_isRunning) return;
        if (isHeld)
        {
            device.StopQueue(index);
            return;
        }

        device.StartQueue(index, _setup, _features, Position);
        _wasServed = true;
    }

    public VirtQueueState Save(in VirtQueueSetup setup)
    {
        if (!IsIdle) throw new StateException($"queue {index}: requests are under way");
        VirtRingPosition position = _isRunning ? Position : default;
        return new()
        {
            Size = setup.Size,
            Descriptors = setup.Descriptors,
            Available = setup.Available,
            Used = setup.Used,
            IsEnabled = setup.IsEnabled,
            IsRunning = _isRunning,
            NextAvailable = position.NextAvailable,
            NextUsed = position.NextUsed,
            SignalledUsed = position.Signalled,
        };
    }

    public void Restore(VirtQueueState state, in VirtQueueSetup setup, ulong features)
    {
        Stop();
        if (state.IsRunning) Start(setup, features, new(state.NextAvailable, state.NextUsed, state.SignalledUsed));
    }

    // One that was started while it was held has not come further.
    private VirtRingPosition Position => _wasServed ? device.QueuePosition(index) : _position;

    private void Start(in VirtQueueSetup setup, ulong features, in VirtRingPosition position)
    {
        (_setup, _features, _position, _isRunning, _wasServed) = (setup, features, position, true, !_isHeld);
        if (!_isHeld) device.StartQueue(index, setup, features, position);
    }

    private static VirtRingPosition OriginOf(ulong features)
        => (features & VirtioFeatures.VIRTIO_F_RING_PACKED) != 0 ? PackedRing.Start : default;
}
