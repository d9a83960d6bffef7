using Vmm.Core.State;
using Vmm.Devices.Virtio.Pmem;

namespace Vmm.Machine.Served;

/// <summary>A device that another program serves, which keeps what it knows to itself.</summary>
internal sealed class ForeignDevice(string name) : IStateful<VirtioPmemState>
{
    /// <inheritdoc/>
    public VirtioPmemState Save() => throw new StateException($"{name}: another program serves this device, and cannot be asked for its state");

    /// <inheritdoc/>
    public void Restore(VirtioPmemState state) => throw new StateException($"{name}: another program serves this device, and cannot be given a state");
}
