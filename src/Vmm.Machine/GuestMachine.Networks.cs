using Vmm.Core.Time;
using Vmm.Host;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;
using Vmm.Network.Capture;

namespace Vmm.Machine;

/// <content>What can be changed of network devices while the guest runs.</content>
public sealed partial class GuestMachine
{
    /// <summary>The network devices, in the order of their coming.</summary>
    public IReadOnlyList<NetReport> Networks
    {
        get
        {
            PluggedDevice[] nets;
            lock (_life) nets = [.. _attachments.All.Where(d => d.Attachment is INetAttachment)];
            _attachments.Look();
            return [.. nets.Select(d => ((INetAttachment)d.Attachment).Report((NetConfig)d.Config, d.Slot, d.IsLeaving || d.IsEjected))];
        }
    }

    /// <summary>Puts the cable of a network device in or takes it out; the guest is told.</summary>
    /// <exception cref="DeviceException">There is no such network device.</exception>
    public void SetNetLink(string id, bool up) => FindNet(id).SetLink(up);

    /// <summary>Changes what the guest may receive and send, at once.</summary>
    /// <exception cref="DeviceException">There is no such network device, or the limits cannot be.</exception>
    public void SetNetLimits(string id, RateLimits receive, RateLimits send)
    {
        List<ConfigError> errors = [];
        NetConfig.CheckLimits(id, receive, send, errors);
        if (errors.Count != 0) throw new DeviceException(errors[0].ToString());
        FindNet(id).SetLimits(receive, send);
    }

    /// <summary>Records the frames of a network device from now on, instead of an earlier recording.</summary>
    /// <param name="id">The device.</param>
    /// <param name="path">A pcapng file, made anew.</param>
    /// <param name="snapLength">The most bytes of each frame.</param>
    /// <exception cref="DeviceException">There is no such network device.</exception>
    /// <exception cref="LinuxException">The file cannot be made.</exception>
    public void StartCapture(string id, string path, int snapLength = CaptureBackend.WholeFrames) => FindNet(id).StartCapture(path, snapLength);

    /// <summary>Ends the recording of a network device, if one runs.</summary>
    /// <exception cref="DeviceException">There is no such network device.</exception>
    public void StopCapture(string id) => FindNet(id).StopCapture();

    // What follows is not under the life-cycle lock: another process may have the device.
    private INetAttachment FindNet(string id)
    {
        lock (_life) return Find(id).Attachment as INetAttachment ?? throw new DeviceException($"'{id}' is no network device");
    }
}
