using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Host.Net;
using Vmm.Machine.Config;
using Vmm.Network.Tap;
using Vmm.Network.Xend;

namespace Vmm.Machine.Devices;

/// <summary>A TAP device that this process has made ready, which needs its privileges; who serves the queues does not.</summary>
/// <param name="Name">The interface's name.</param>
/// <param name="Queues">Its queues; the receiver's.</param>
/// <param name="LinkMtu">Its MTU.</param>
/// <param name="GuestMtu">The MTU that the guest is told; 0 for none.</param>
/// <param name="Vif">What is to be taken back at the end, before the queues are closed; null for nothing.</param>
internal sealed record OpenedTap(string Name, IReadOnlyList<TapQueue> Queues, ushort LinkMtu, ushort GuestMtu, Vif? Vif)
{
    private const int StandardMtu = 1500;

    /// <summary>Makes it ready.</summary>
    /// <returns>Null for a link of another kind.</returns>
    /// <exception cref="LinuxException">It cannot be had.</exception>
    public static OpenedTap? TryOpen(NetConfig config, MacAddress mac, MachineHost host, Action<string> note) => config.Link switch
    {
        TapLinkConfig tap => Open(tap, config, mac, note),
        VifLinkConfig vif => TryOpen(vif, config, mac, host, note),
        _ => null,
    };

    private static OpenedTap Open(TapLinkConfig tap, NetConfig config, MacAddress mac, Action<string> note)
    {
        IReadOnlyList<TapQueue> queues = TapOpener.OpenQueues(new TapOptions
        {
            Name = tap.InterfaceName,
            Descriptors = tap.Descriptors,
            Bridge = tap.Bridge,
            Mtu = (ushort?)config.Mtu,
            Queues = config.Queues,
            GuestMac = mac,
        }, out ushort mtu);
        if (tap.InterfaceName is null && tap.Descriptors.IsEmpty) note($"TAP device {queues[0].Name}");
        return new(queues[0].Name, queues, mtu, GuestMtuOf(config, mtu), null);
    }

    private static OpenedTap? TryOpen(VifLinkConfig link, NetConfig config, MacAddress mac, MachineHost host, Action<string> note)
    {
        DomainIdentity domain = host.Domain ?? throw new LinuxException($"{config.Id}: an interface vifDOMID.DEVID belongs to a domain (vmm create)");
        if (link.IsAnywhere && !Vif.HasDefaultPlace(domain.NetworkFolder))
        {
            note("no network for guests is started (vmm network start), so this one is behind a NAT of its own");
            return null;
        }

        Vif vif = Vif.Attach(link.ToSpec(config, mac.ToString(), domain), new NetworkStore(domain.NetworkFolder), Environment.ProcessPath ?? "vmm", note);
        return new(vif.Name, vif.Queues, vif.Mtu, GuestMtuOf(config, vif.Mtu), vif);
    }

    // What every driver takes for granted need not be said.
    private static ushort GuestMtuOf(NetConfig config, ushort linkMtu) => (ushort)(config.Mtu ?? (linkMtu == StandardMtu ? 0 : linkMtu));
}
