using Vmm.Machine.Config;

namespace Vmm.Machine.Devices;

/// <summary>The host ends of a machine's devices, in the order in which the devices stand on the bus. They outlive a reset.</summary>
internal sealed class Attachments : IDisposable
{
    private readonly List<IAttachment> _all = [];

    /// <exception cref="Storage.ImageException">An image cannot be used.</exception>
    /// <exception cref="Host.LinuxException">The host refused a file or another thing that a device needs.</exception>
    public Attachments(MachineConfig config, MachineHost host)
    {
        try
        {
            foreach (DiskConfig disk in config.Disks) _all.Add(new DiskAttachment(disk, config.Vcpus, host.Note));
            foreach (RngConfig rng in config.Rngs) _all.Add(new RngAttachment(rng));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>All of them.</summary>
    public IReadOnlyList<IAttachment> All => _all;

    public void Dispose()
    {
        for (int i = _all.Count - 1; i >= 0; i--) _all[i].Dispose();
        _all.Clear();
    }
}
