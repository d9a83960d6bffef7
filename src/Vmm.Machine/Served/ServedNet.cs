using Vmm.Core.Backends;
using Vmm.Core.Time;
using Vmm.Devices.Virtio;
using Vmm.Host.Net;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;

namespace Vmm.Machine.Served;

/// <summary>
/// A network device whose link the device model has. Of a TAP device this process keeps the queues, too, unused: with them it outlives the device
/// model, and so do its place in a bridge and the rules that guard it.
/// </summary>
/// <param name="link">The way to the device model.</param>
/// <param name="device">The network device, which it serves.</param>
/// <param name="mac">The guest's address.</param>
/// <param name="frontEnd">What the guest gets; becomes this object's.</param>
internal sealed class ServedNet(DeviceModelLink link, ServedDevice device, MacAddress mac, VhostUserAttachment frontEnd) : INetAttachment
{
    /// <inheritdoc/>
    public string Id => device.Id;

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room) => frontEnd.Create(room, new RemoteState(link, device));

    /// <inheritdoc/>
    public NetReport Report(NetConfig config, int slot, bool isLeaving)
    {
        int mtu = device.Tap?.GuestMtu ?? config.Mtu ?? 0;
        return link.Read(device, d => new NetReport(config, slot, isLeaving, mac, mtu == 0 ? null : mtu, d.Tap?.Name,
            d.Settings.IsLinkUp && d.Last?.IsLinkUp != false, d.Capture?.Path, d.Settings.ReceiveLimits, d.Settings.SendLimits, d.Done.Net, d.Since));
    }

    /// <inheritdoc/>
    public void SetLink(bool up) => link.Set(device, settings => settings with { IsLinkUp = up });

    /// <inheritdoc/>
    public void Announce() => link.Hint(device, ControlVerb.Announce);

    /// <inheritdoc/>
    public void SetLimits(RateLimits receive, RateLimits send) => link.Set(device, settings => settings with { ReceiveLimits = receive, SendLimits = send });

    /// <inheritdoc/>
    public void StartCapture(string path, int snapLength) => link.Record(device, new(path, snapLength));

    /// <inheritdoc/>
    public void StopCapture() => link.Record(device, null);

    /// <inheritdoc/>
    public void Dispose()
    {
        frontEnd.Dispose();
        link.Remove(device);
        Release(device.Tap);
    }

    /// <summary>Gives a TAP device back.</summary>
    public static void Release(OpenedTap? tap)
    {
        // The scripts of an interface find it still there.
        tap?.Vif?.Dispose();
        foreach (TapQueue queue in tap?.Queues ?? []) queue.Dispose();
    }
}
