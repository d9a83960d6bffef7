using Vmm.Core.Memory;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Queue;

namespace Vmm.DeviceModel.VhostUser.Client;

/// <summary>A virtio device whose work a back end in another process does, for one life of the machine.</summary>
public sealed class VhostUserDevice : IVirtioRemoteDevice, IDisposable
{
    private readonly VhostUserFrontEnd _owner;
    private readonly ushort[] _queueSizes;

    internal VhostUserDevice(VhostUserFrontEnd owner, GuestMemory memory)
    {
        (_owner, Memory) = (owner, memory);
        _queueSizes = new ushort[owner.QueueCount];
        Array.Fill(_queueSizes, owner.QueueSize);
    }

    /// <inheritdoc/>
    public string Name => _owner.Profile.Name;

    /// <inheritdoc/>
    public ushort DeviceId => _owner.Profile.DeviceId;

    /// <inheritdoc/>
    public uint PciClass => _owner.Profile.PciClass;

    /// <inheritdoc/>
    public ulong OfferedFeatures => _owner.OfferedFeatures;

    /// <inheritdoc/>
    public ReadOnlySpan<ushort> QueueSizes => _queueSizes;

    /// <inheritdoc/>
    public uint ConfigBytes => _owner.Profile.ConfigBytes;

    /// <summary>What it is.</summary>
    public VhostUserKind Kind => _owner.Kind;

    /// <summary>What the back end knows of the driver's choices; null where it cannot be asked.</summary>
    public IRemoteState? State { get; init; }

    internal GuestMemory Memory { get; }

    /// <inheritdoc/>
    public void ReadConfig(uint offset, Span<byte> data) => _owner.ReadConfig(offset, data);

    /// <inheritdoc/>
    public void WriteConfig(uint offset, ReadOnlySpan<byte> data) => _owner.WriteConfig(offset, data);

    /// <inheritdoc/>
    public void Activate(VirtioActivation activation) => _owner.Activate(activation);

    /// <inheritdoc/>
    public void OnKick(int queue) => _owner.Kick(queue);

    /// <inheritdoc/>
    public int KickDescriptor(int queue) => _owner.KickDescriptor(queue);

    /// <inheritdoc/>
    public void Reset() => _owner.Reset();

    void IVirtioRemoteDevice.StartQueue(int queue, in VirtQueueSetup setup, ulong features, in VirtRingPosition position) => _owner.StartQueue(queue, setup, features, position);

    void IVirtioRemoteDevice.StopQueue(int queue) => _owner.StopQueue(queue);

    bool IVirtioRemoteDevice.IsQueueIdle(int queue) => _owner.IsQueueIdle(queue);

    VirtRingPosition IVirtioRemoteDevice.QueuePosition(int queue) => _owner.QueuePosition(queue);

    void IVirtioRemoteDevice.CallsChanged() => _owner.CallsChanged();

    /// <summary>Has the back end let go of guest memory.</summary>
    public void Dispose() => _owner.Detach(this);
}
