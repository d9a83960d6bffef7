namespace Vmm.Core.State;

/// <summary>The saved state of one object.</summary>
/// <param name="Id">By which it is found again.</param>
/// <param name="Json">The state in UTF-8.</param>
public readonly record struct StateNode(string Id, ReadOnlyMemory<byte> Json);
