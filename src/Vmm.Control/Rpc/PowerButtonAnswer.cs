using PolyType;

namespace Vmm.Control.Rpc;

/// <summary>What became of a press of the power button.</summary>
/// <param name="IsListening">The guest has switched the button's event on, so that it has heard of it.</param>
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record PowerButtonAnswer(bool IsListening);
