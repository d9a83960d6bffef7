using Vmm.Core.Memory;
using Vmm.Devices.Virtio;
using Vmm.Devices.Virtio.Pmem;
using Vmm.Host;

namespace Vmm.Machine.Devices;

/// <summary>A range of the guest's memory that is a file. It stays the guest's memory to the end of the machine, also when the guest lets the device go.</summary>
/// <param name="id">The device's id.</param>
/// <param name="file">The file, which is the memory's owner's.</param>
/// <param name="start">Where the guest has it.</param>
internal sealed class PmemAttachment(string id, PmemFile file, GuestAddress start) : IAttachment
{
    /// <inheritdoc/>
    public string Id => id;

    /// <inheritdoc/>
    public IVirtioDevice Create(IDeviceRoom room) => new VirtioPmem(file, start, room.Workers);

    /// <inheritdoc/>
    public void Dispose() { }
}
