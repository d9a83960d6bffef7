using System.Collections.Immutable;

namespace Vmm.Network.Xend;

/// <summary>
/// What has been done for a network, written down before it is done, with all that is needed to undo it. Every undoing is harmless where there is
/// nothing to undo, so that a journal can be worked off after a crash at any place, and twice.
/// </summary>
public sealed record NetworkJournal
{
    /// <summary>What was wanted.</summary>
    public required NetworkPlan Plan { get; init; }

    /// <summary>The network namespace that it is in.</summary>
    public required string Namespace { get; init; }

    /// <summary>When it began: of two the later one has the larger number.</summary>
    public required long Began { get; init; }

    /// <summary>How far it has come.</summary>
    public JournalState State { get; init; }

    /// <summary>What undoes it, the last first.</summary>
    public ImmutableArray<UndoStep> Steps { get; init; } = [];

    /// <summary>The host's addresses and routes, to be there again in the end; null where nothing of them changes.</summary>
    public NetworkSnapshot? Snapshot { get; init; }

    /// <summary>The network card; 0 for none.</summary>
    public int DeviceIndex { get; init; }

    /// <summary>The interface that has the card's addresses while the network is there; 0 while it is not made.</summary>
    public int HomeIndex { get; init; }

    /// <summary>Its name.</summary>
    public string HomeName { get; init; } = "";
}
