using Vmm.Core.Time;
using Vmm.Machine.Config;

namespace Vmm.Machine.Devices;

/// <summary>The host end of a network device, wherever it is served. Any thread, without the machine's locks: it may wait for another process.</summary>
internal interface INetAttachment : IAttachment
{
    /// <summary>The device as it stands.</summary>
    NetReport Report(NetConfig config, int slot, bool isLeaving);

    /// <summary>Puts the guest's cable in or takes it out.</summary>
    void SetLink(bool up);

    /// <summary>Has the guest tell its network where it is, if its driver can.</summary>
    void Announce();

    /// <summary>Changes what the guest may receive and send, at once and for every later life.</summary>
    void SetLimits(RateLimits receive, RateLimits send);

    /// <summary>Records all frames from now on, in a file that is made anew.</summary>
    /// <exception cref="Host.LinuxException">The file cannot be made, or who serves the device does not answer.</exception>
    /// <exception cref="DeviceException">It is gone.</exception>
    void StartCapture(string path, int snapLength);

    /// <summary>Ends the recording.</summary>
    /// <exception cref="DeviceException">It is gone.</exception>
    void StopCapture();
}
