using Vmm.Control.Rpc;
using Vmm.Machine;

namespace Vmm.Control.Domains;

/// <summary>Numbers what happens to a domain and passes it on. Thread-safe; nobody who listens can hold it up.</summary>
internal sealed class DomainEvents
{
    private readonly Lock _gate = new();
    private long _sequence;

    /// <summary>Something happened. Raised in order, under a lock: a listener only takes note.</summary>
    public event Action<DomainEvent>? Raised;

    /// <summary>Tells those who listen.</summary>
    public void Raise(DomainEventKind kind, string message, string? device = null, GuestEnd? end = null, DiskFailure? disk = null, double? progress = null)
    {
        lock (_gate) Raised?.Invoke(new DomainEvent(++_sequence, DateTimeOffset.UtcNow, kind, message, device, end, disk, progress));
    }
}
