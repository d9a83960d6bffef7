using Vmm.Core.Hypervisor;
using Vmm.Devices.Virtio.Transport;

namespace Vmm.Machine.Devices;

/// <summary>
/// Binds the doorbells of one transport, wherever they are, to the descriptors that wake its queues' workers: a kick then reaches neither
/// the bus nor this process's vCPU thread. Where the hypervisor cannot, the write takes the long way.
/// </summary>
/// <remarks>The transport calls with its locks held; the lock here is the last.</remarks>
internal sealed class DoorbellBinding : IDisposable
{
    private readonly Lock _gate = new();
    private readonly IVirtioTransport _transport;
    private readonly IVirtualMachine _machine;
    private readonly (VirtioDoorbell Bell, int Descriptor)?[] _bound;
    private bool _isDisposed;

    public DoorbellBinding(IVirtioTransport transport, IVirtualMachine machine)
    {
        (_transport, _machine) = (transport, machine);
        _bound = new (VirtioDoorbell, int)?[transport.QueueCount];
        transport.DoorbellsChanged += Refresh;
        Refresh();
    }

    /// <summary>Takes all back.</summary>
    public void Dispose()
    {
        _transport.DoorbellsChanged -= Refresh;
        lock (_gate)
        {
            _isDisposed = true;
            for (int queue = 0; queue < _bound.Length; queue++) Bind(queue, null);
        }
    }

    private void Refresh()
    {
        lock (_gate)
        {
            for (int queue = 0; queue < _bound.Length && !_isDisposed; queue++) Bind(queue, _transport.Doorbell(queue));
        }
    }

    private void Bind(int queue, VirtioDoorbell? doorbell)
    {
        int descriptor = doorbell is null ? -1 : _transport.KickDescriptor(queue);
        (VirtioDoorbell Bell, int Descriptor)? wanted = doorbell is { } bell && descriptor >= 0 ? (bell, descriptor) : null;
        if (_bound[queue] == wanted) return;
        if (_bound[queue] is { } old) _machine.UnbindDoorbell(old.Bell.Address, old.Bell.Match, old.Bell.SizeBytes, old.Descriptor);
        bool isBound = wanted is { } next && _machine.TryBindDoorbell(next.Bell.Address, next.Bell.Match, next.Bell.SizeBytes, next.Descriptor);
        _bound[queue] = isBound ? wanted : null;
    }
}
