namespace Vmm.Core.Backends.Files;

/// <summary>What becomes of a time: stays, becomes the present, or the given moment.</summary>
public readonly record struct TimeChange(TimeChangeKind Kind, NodeTime Time = default);
