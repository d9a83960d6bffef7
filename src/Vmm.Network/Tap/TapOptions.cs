using System.Collections.Immutable;
using Vmm.Core.Backends;

namespace Vmm.Network.Tap;

/// <summary>Which TAP device, and what to do with it.</summary>
public sealed record TapOptions
{
    /// <summary>The interface, made when it is not there; null for a new one with a name of the kernel's choice.</summary>
    public string? Name { get; init; }

    /// <summary>Open descriptors instead, one for each queue. Nothing of their interface is changed but what is said below.</summary>
    public ImmutableArray<int> Descriptors { get; init; } = [];

    /// <summary>The bridge that it joins.</summary>
    public string? Bridge { get; init; }

    /// <summary>The most bytes of a packet; null for the bridge's, or what the interface has.</summary>
    public ushort? Mtu { get; init; }

    /// <summary>Queues at most.</summary>
    public int Queues { get; init; } = 1;

    /// <summary>The guest's address: a bridge's own must not come to depend on it.</summary>
    public MacAddress GuestMac { get; init; }
}
