namespace Vmm.Core.Backends.Files;

/// <summary>Which node it is.</summary>
/// <param name="Kind">Never changes in a node's life.</param>
/// <param name="Number">Unique in the tree, also across the file systems mounted in it, and the same as long as the node exists.</param>
/// <param name="Version">Changes with the content; never 0.</param>
public readonly record struct NodeIdentity(NodeKind Kind, ulong Number, uint Version);
