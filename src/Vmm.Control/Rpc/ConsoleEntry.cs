using PolyType;

namespace Vmm.Control.Rpc;

/// <summary>A serial port or a port of the virtio console.</summary>
/// <param name="Name">By which it is attached to: "serial0", "hvc0" as Linux numbers them, or "port.NAME".</param>
/// <param name="IsDefault">It is the domain's console.</param>
/// <param name="Path">The socket, pseudo-terminal or file at its host end; null for none.</param>
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record ConsoleEntry(string Name, bool IsDefault, string? Path);
