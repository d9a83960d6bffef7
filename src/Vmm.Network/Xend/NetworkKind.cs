namespace Vmm.Network.Xend;

/// <summary>How guests reach the world, by the names of xend's scripts (network-bridge, network-route, network-nat).</summary>
public enum NetworkKind
{
    /// <summary>On the wire of the host's own network card.</summary>
    Bridge,

    /// <summary>Through the host as a router, each by its own address.</summary>
    Route,

    /// <summary>Behind the host's address.</summary>
    Nat,
}
