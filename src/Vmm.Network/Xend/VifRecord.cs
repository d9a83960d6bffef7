using System.Collections.Immutable;
using Vmm.Network.Firewall;

namespace Vmm.Network.Xend;

/// <summary>What has to be undone for a guest's interface beside removing it, written down before it is done.</summary>
public sealed record VifRecord
{
    /// <summary>The interface.</summary>
    public required VifSpec Spec { get; init; }

    /// <summary>The network namespace that it is in.</summary>
    public required string Namespace { get; init; }

    /// <summary>The bridge that it was to join; null where it is routed to.</summary>
    public string? Bridge { get; init; }

    /// <summary>The hook script that set it up; null where none did.</summary>
    public string? Script { get; init; }

    /// <summary>What removes its rules.</summary>
    public ImmutableArray<FirewallChange> Undo { get; init; } = [];
}
