using Vmm.Core.Hypervisor;
using Vmm.Core.Interrupts;
using Vmm.Host;

namespace Vmm.Kvm;

/// <summary>A message behind an eventfd that is bound while the route is open.</summary>
internal sealed class KvmMsiRoute(KvmInterrupts owner) : IMsiRoute
{
    private readonly EventFd _eventFd = new();
    private KvmIrqFd? _bound;

    public int Descriptor => _eventFd.Fd;

    public bool IsPending
    {
        get
        {
            // The kernel takes the count while it is bound.
            if (_bound is not null || _eventFd.Drain() == 0) return false;
            _eventFd.Signal();
            return true;
        }
    }

    public void Signal() => _eventFd.Signal();

    public bool TryOpen(in MsiMessage message)
    {
        if (_bound is not null)
        {
            _bound.Update(message);
            return true;
        }

        bool isPending = _eventFd.Drain() != 0;
        try
        {
            _bound = owner.BindIrqFd(Descriptor, message);
        }
        catch (HypervisorException)
        {
            // The message goes the other way.
        }

        if (isPending) _eventFd.Signal();
        return _bound is not null;
    }

    public void Close()
    {
        _bound?.Dispose();
        _bound = null;
    }

    public void Dispose()
    {
        Close();
        _eventFd.Dispose();
        owner.Forget(this);
    }
}
