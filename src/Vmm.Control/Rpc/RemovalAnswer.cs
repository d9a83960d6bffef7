using PolyType;

namespace Vmm.Control.Rpc;

/// <summary>What became of a request to let a device go.</summary>
/// <param name="IsGone">It is gone; else the guest is asked and has not done so yet.</param>
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record RemovalAnswer(bool IsGone);
