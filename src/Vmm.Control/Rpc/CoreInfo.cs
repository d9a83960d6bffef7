using PolyType;

namespace Vmm.Control.Rpc;

/// <summary>A core file that was written.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="SizeBytes">Its length.</param>
/// <param name="WrittenBytes">What was written; the rest are holes.</param>
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record CoreInfo(string Path, ulong SizeBytes, ulong WrittenBytes);
