using System.Collections.Immutable;

namespace Vmm.Control.Xl;

/// <summary>An entry of xl's <c>vif</c> list.</summary>
public sealed record XlVifSpec
{
    /// <summary>The guest's address, "00:16:3e:xx:xx:xx"; null to have one made.</summary>
    public string? Mac { get; init; }

    /// <summary>The bridge to join; null for the default one.</summary>
    public string? Bridge { get; init; }

    /// <summary>The emulated NIC's model; null for the default one.</summary>
    public string? Model { get; init; }

    /// <summary>vif (only the split driver), ioemu (an emulated NIC, too); null for the default.</summary>
    public string? Type { get; init; }

    /// <summary>The host interface's name; null for vifDOMID.DEVID.</summary>
    public string? InterfaceName { get; init; }

    /// <summary>The hook script; null for vif-bridge.</summary>
    public string? Script { get; init; }

    /// <summary>Addresses that the guest may use.</summary>
    public ImmutableArray<string> Addresses { get; init; } = [];

    /// <summary>The host's interface that leads out, for route and NAT.</summary>
    public string? GatewayDevice { get; init; }

    /// <summary>The most that the guest may send; null for no limit.</summary>
    public XlRate? Rate { get; init; }

    public int? Mtu { get; init; }

    public int? DeviceId { get; init; }

    public string? Backend { get; init; }

    /// <summary>VLANs in Open vSwitch's manner.</summary>
    public string? Vlan { get; init; }
}
