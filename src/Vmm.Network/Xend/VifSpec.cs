using System.Collections.Immutable;
using System.Globalization;

namespace Vmm.Network.Xend;

/// <summary>A guest's network interface on the host, as an entry of xl's <c>vif</c> list describes it.</summary>
public sealed record VifSpec
{
    /// <summary>The domain.</summary>
    public required int DomainId { get; init; }

    /// <summary>Its number among the domain's.</summary>
    public required int DeviceId { get; init; }

    /// <summary>The domain's name, for scripts.</summary>
    public string DomainName { get; init; } = "";

    /// <summary>The domain's UUID, for scripts.</summary>
    public Guid DomainUuid { get; init; }

    /// <summary>The guest's address, "00:16:3e:01:02:03".</summary>
    public required string Mac { get; init; }

    /// <summary>The bridge that it joins; null for the one of the network that is started.</summary>
    public string? Bridge { get; init; }

    /// <summary>The addresses that the guest may use, and that lead to it where it is routed to; empty for any.</summary>
    public ImmutableArray<string> Addresses { get; init; } = [];

    /// <summary>The hook script; null for what the network that is started needs.</summary>
    public string? Script { get; init; }

    /// <summary>The card whose address the host has towards a guest that it routes to; null for that of the default route.</summary>
    public string? GatewayDevice { get; init; }

    /// <summary>The interface's name; null for vifDOMID.DEVID.</summary>
    public string? InterfaceName { get; init; }

    /// <summary>The most bytes of a packet; null for the bridge's.</summary>
    public int? Mtu { get; init; }

    /// <summary>Pairs of queues.</summary>
    public int Queues { get; init; } = 1;

    /// <summary>The guest has an emulated network card beside: a second interface, whose name ends in "-emu".</summary>
    public bool HasTwin { get; init; }

    /// <summary>"vif7.0".</summary>
    internal string PlainName => string.Create(CultureInfo.InvariantCulture, $"vif{DomainId}.{DeviceId}");

    /// <summary>The interface's name.</summary>
    internal string Name => InterfaceName ?? PlainName;

    /// <summary>Where its settings are for scripts.</summary>
    internal string BackendPath => string.Create(CultureInfo.InvariantCulture, $"backend/vif/{DomainId}/{DeviceId}");

    /// <summary>Where the guest's part of them is.</summary>
    internal string FrontendPath => string.Create(CultureInfo.InvariantCulture, $"/local/domain/{DomainId}/device/vif/{DeviceId}");
}
