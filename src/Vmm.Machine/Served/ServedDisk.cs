using Vmm.Core.Time;
using Vmm.Devices.Virtio;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;

namespace Vmm.Machine.Served;

/// <summary>A disk whose image the device model has.</summary>
/// <param name="link">The way to the device model.</param>
/// <param name="device">The disk, which it serves.</param>
/// <param name="frontEnd">What the guest gets; becomes this object's.</param>
internal sealed class ServedDisk(DeviceModelLink link, ServedDevice device, VhostUserAttachment frontEnd) : IDiskAttachment
{
    /// <inheritdoc/>
    public string Id => device.Id;

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room) => frontEnd.Create(room, new RemoteState(link, device));

    /// <inheritdoc/>
    public DiskReport Report(DiskConfig config, int slot, bool isLeaving)
        => link.Read(device, d => new DiskReport(config, slot, isLeaving, d.Last?.SizeBytes ?? 0, d.Settings.Limits, d.Done.Disk, d.Since));

    /// <inheritdoc/>
    public void SetLimits(RateLimits limits) => link.Set(device, settings => settings with { Limits = limits });

    /// <inheritdoc/>
    public void Grow(ulong sizeBytes)
    {
        link.Demand(device, new() { Verb = ControlVerb.Grow, Device = Id, SizeBytes = sizeBytes });
        link.RenewState(device);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        frontEnd.Dispose();
        link.Remove(device);
    }
}
