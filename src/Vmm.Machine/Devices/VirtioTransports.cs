using Vmm.Core.Hypervisor;
using Vmm.Devices.Virtio.Transport;

namespace Vmm.Machine.Devices;

/// <summary>The virtio transports of a board: binds their doorbells to the CPUs, and lets all devices rest while the machine is paused. Thread-safe.</summary>
/// <remarks>Lock order: this, a transport's own locks, then a <see cref="DoorbellBinding"/>'s.</remarks>
internal sealed class VirtioTransports(IVirtualMachine? machine)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly List<IVirtioTransport> _all = [];
    private bool _isHeld;

    /// <summary>Those of a board without a CPU: there can be none.</summary>
    public static VirtioTransports None { get; } = new(null);

    /// <summary>Takes a transport in. Dispose what comes back before the device: the transport is forgotten then.</summary>
    public IDisposable Add(IVirtioTransport transport)
    {
        ArgumentNullException.ThrowIfNull(machine);
        lock (_gate)
        {
            _all.Add(transport);
            if (_isHeld) transport.Hold();
        }

        return new Registration(this, transport, new DoorbellBinding(transport, machine));
    }

    /// <summary>Has all devices finish what they have begun and begin nothing more.</summary>
    /// <returns>False when one does not: its host does not answer.</returns>
    public bool Hold()
    {
        lock (_gate)
        {
            _isHeld = true;
            foreach (IVirtioTransport transport in _all) transport.Hold();
            return SpinWait.SpinUntil(() => _all.TrueForAll(static transport => transport.IsIdle), Patience);
        }
    }

    /// <summary>Lets all devices go on.</summary>
    public void Release()
    {
        lock (_gate)
        {
            if (!_isHeld) return;
            _isHeld = false;
            foreach (IVirtioTransport transport in _all) transport.Release();
        }
    }

    private sealed class Registration(VirtioTransports owner, IVirtioTransport transport, DoorbellBinding doorbells) : IDisposable
    {
        public void Dispose()
        {
            doorbells.Dispose();
            lock (owner._gate) owner._all.Remove(transport);
        }
    }
}
