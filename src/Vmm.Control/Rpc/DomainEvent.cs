using PolyType;
using Vmm.Machine;

namespace Vmm.Control.Rpc;

/// <summary>Something that happened to a domain.</summary>
/// <param name="Sequence">Counts up by one from event to event of a domain.</param>
/// <param name="Time">When.</param>
/// <param name="Kind">What.</param>
/// <param name="Message">One line for people.</param>
/// <param name="Device">The device, where it is about one.</param>
/// <param name="End">The guest's end, where it is about that.</param>
/// <param name="Disk">The disk's request that failed, where it is about one.</param>
/// <param name="Progress">The part that is done, from 0 to 1, where it is about work that takes a while.</param>
/// <param name="Lost">How many events this client lost just before this one because it did not read.</param>
[TypeShape(Kind = TypeShapeKind.None)]
public sealed record DomainEvent(long Sequence, DateTimeOffset Time, DomainEventKind Kind, string Message, string? Device = null, GuestEnd? End = null,
    DiskFailure? Disk = null, double? Progress = null, long Lost = 0);
