using PolyType;

namespace Vmm.Control.Rpc;

/// <summary>A device of a domain.</summary>
/// <param name="Id">By which it is removed and spoken of.</param>
/// <param name="Kind">"disk", "net" and so on.</param>
/// <param name="Transport">"pci" or "mmio".</param>
/// <param name="Slot">Its place on the bus.</param>
/// <param name="IsLeaving">The guest is asked to let it go and has not done so yet.</param>
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record DeviceEntry(string Id, string Kind, string Transport, int Slot, bool IsLeaving);
