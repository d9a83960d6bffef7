using Vmm.Core.Interrupts;

namespace Vmm.Kvm;

/// <summary>An eventfd bound to an interrupt; disposing it unbinds. The eventfd itself stays the caller's.</summary>
public sealed class KvmIrqFd : IDisposable
{
    private readonly KvmInterrupts _owner;
    private int _disposed;

    internal KvmIrqFd(KvmInterrupts owner, int eventFd, int gsi, bool isMessage)
    {
        _owner = owner;
        EventFd = eventFd;
        Gsi = gsi;
        IsMessage = isMessage;
    }

    internal int EventFd { get; }

    internal int Gsi { get; }

    internal bool IsMessage { get; }

    /// <summary>Changes the message (the guest has rewritten its MSI-X entry). No effect on a GSI.</summary>
    public void Update(MsiMessage message) => _owner.Update(this, message);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0) _owner.Unbind(this);
    }
}
