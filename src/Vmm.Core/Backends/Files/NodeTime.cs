namespace Vmm.Core.Backends.Files;

/// <summary>A moment in a node's life, since 1970.</summary>
public readonly record struct NodeTime(long Seconds, uint Nanoseconds);
