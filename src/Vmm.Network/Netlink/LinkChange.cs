using Vmm.Core.Backends;

namespace Vmm.Network.Netlink;

/// <summary>What is to change of an interface; null stays as it is.</summary>
public sealed record LinkChange
{
    /// <summary>Switched on or off.</summary>
    public bool? IsUp { get; init; }

    /// <summary>Asks and answers by ARP or not.</summary>
    public bool? HasArp { get; init; }

    /// <summary>The name. Kernels before 6.2 change it only while the interface is off.</summary>
    public string? Name { get; init; }

    /// <summary>The most bytes of a packet.</summary>
    public int? Mtu { get; init; }

    /// <summary>The address.</summary>
    public MacAddress? Mac { get; init; }

    /// <summary>The bridge that it joins; 0 leaves.</summary>
    public int? MasterIndex { get; init; }
}
