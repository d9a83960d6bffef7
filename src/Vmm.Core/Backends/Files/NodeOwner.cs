namespace Vmm.Core.Backends.Files;

/// <summary>To whom a new node shall belong, in the host's numbers.</summary>
public readonly record struct NodeOwner(uint Uid, uint Gid);
