using System.Text.Json;
using Vmm.Core.State;
using Vmm.DeviceModel.VhostUser.Server;
using Vmm.Devices.Virtio.Net;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine.Served;

/// <summary>What a driver has chosen of a network device: pairs of queues, offloads, addresses, filters.</summary>
internal sealed class ServedNetState(VirtioNet device) : IServedState
{
    /// <inheritdoc/>
    public event Action? Changed
    {
        add => device.StateChanged += value;
        remove => device.StateChanged -= value;
    }

    /// <inheritdoc/>
    public byte[] Save() => JsonSerializer.SerializeToUtf8Bytes(device.Save(), SnapshotJson.Default.VirtioNetState);

    /// <inheritdoc/>
    public void Restore(byte[] state)
    {
        try
        {
            if (JsonSerializer.Deserialize(state, SnapshotJson.Default.VirtioNetState) is { Unicast: not null, Multicast: not null, Vlans: not null } found) device.Restore(found);
        }
        catch (Exception e) when (e is JsonException or StateException)
        {
            // The driver's next command says it anew.
        }
    }
}
