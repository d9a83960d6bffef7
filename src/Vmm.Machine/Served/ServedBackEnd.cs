using System.Text.Json;
using Vmm.Core.State;
using Vmm.DeviceModel.VhostUser.Server;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Block;
using Vmm.Devices.Virtio.Net;
using Vmm.Machine.Devices;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine.Served;

/// <summary>A device that this process serves, with what the host gave for it.</summary>
internal sealed class ServedBackEnd : IDisposable
{
    private readonly IVirtioDevice _device;

    /// <param name="attachment">The host end; becomes this object's.</param>
    /// <param name="room">Where it is.</param>
    /// <param name="serve">Has it served, with what its driver chooses.</param>
    public ServedBackEnd(IAttachment attachment, ServedRoom room, Func<IVirtioDevice, IServedState?, VhostUserServer> serve)
    {
        Attachment = attachment;
        try
        {
            _device = attachment.Create(room);
            Server = serve(_device, _device is VirtioNet net ? new ServedNetState(net) : null);
        }
        catch
        {
            (_device as IDisposable)?.Dispose();
            attachment.Dispose();
            throw;
        }
    }

    /// <summary>The host end.</summary>
    public IAttachment Attachment { get; }

    /// <summary>The way of its front end to it.</summary>
    public VhostUserServer Server { get; }

    /// <summary>Its state, while it stands still.</summary>
    /// <exception cref="DeviceException">It has none.</exception>
    public string SaveState() => _device switch
    {
        VirtioBlock block => JsonSerializer.Serialize(block.Save(), SnapshotJson.Default.VirtioBlockState),
        VirtioNet net => JsonSerializer.Serialize(net.Save(), SnapshotJson.Default.VirtioNetState),
        _ => throw new DeviceException($"'{Attachment.Id}' has no state"),
    };

    /// <summary>Has it begin with a state.</summary>
    /// <exception cref="DeviceException">It makes no sense.</exception>
    public void RestoreState(string json)
    {
        try
        {
            if (_device is VirtioBlock block && JsonSerializer.Deserialize(json, SnapshotJson.Default.VirtioBlockState) is { } disk) block.Restore(disk);
            else if (_device is VirtioNet net && JsonSerializer.Deserialize(json, SnapshotJson.Default.VirtioNetState) is { Unicast: not null, Multicast: not null, Vlans: not null } link) net.Restore(link);
            else throw new DeviceException($"'{Attachment.Id}': this is no state of it");
        }
        catch (Exception e) when (e is JsonException or StateException)
        {
            throw new DeviceException($"'{Attachment.Id}': {e.Message}");
        }
    }

    /// <summary>Ends it: what is under way is finished, and what was written is flushed.</summary>
    public void Dispose()
    {
        Server.Dispose();
        (_device as IDisposable)?.Dispose();
        Attachment.Dispose();
    }
}
