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
    private readonly VirtioDoorbell?[] _bound;
    private bool _isDisposed;

    public DoorbellBinding(IVirtioTransport transport, IVirtualMachine machine)
    {
        (_transport, _machine) = (transport, machine);
        _bound = new VirtioDoorbell?[transport.QueueCount];
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
        int descriptor = _transport.KickDescriptor(queue);
        if (descriptor < 0 || _bound[queue] == doorbell) return;
        if (_bound[queue] is { } old) _machine.UnbindDoorbell(old.Address, old.Match, old.SizeBytes, descriptor);
        bool isBound = doorbell is { } bell && _machine.TryBindDoorbell(bell.Address, bell.Match, bell.SizeBytes, descriptor);
        _bound[queue] = isBound ? doorbell : null;
    }
}
