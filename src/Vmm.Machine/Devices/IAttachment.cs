using Vmm.Devices.Virtio;

namespace Vmm.Machine.Devices;

/// <summary>
/// The host end of one device: opened once, before the machine runs or when the device is plugged in, and kept through resets. Disposed
/// after the last device that it made.
/// </summary>
internal interface IAttachment : IDisposable
{
    /// <summary>The device's id in the configuration.</summary>
    string Id { get; }

    /// <summary>Makes the device for one life of the machine; the caller disposes it if it can be.</summary>
    IVirtioDevice Create(IDeviceRoom room);
}
