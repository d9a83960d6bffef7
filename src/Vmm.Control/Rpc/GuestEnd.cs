using PolyType;
using Vmm.Control.Domains;
using Vmm.Machine;

namespace Vmm.Control.Rpc;

/// <summary>An end of a guest.</summary>
/// <param name="Kind">How it ended.</param>
/// <param name="Reason">One line for people.</param>
/// <param name="Action">What follows.</param>
/// <param name="Time">When.</param>
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record GuestEnd(MachineEnd Kind, string Reason, DomainAction Action, DateTimeOffset Time);
