using Vmm.DeviceModel.VhostUser.Server;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Net;
using Vmm.Machine.Devices;

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

    /// <summary>Ends it: what is under way is finished, and what was written is flushed.</summary>
    public void Dispose()
    {
        Server.Dispose();
        (_device as IDisposable)?.Dispose();
        Attachment.Dispose();
    }
}
