using Vmm.Core.Memory;
using Vmm.Machine.Config;
using Vmm.Machine.Served;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine.Devices;

/// <summary>
/// A machine's devices with their host ends, each in its slot on the PCI bus. They outlive a reset. Guarded by the life-cycle lock of the
/// machine.
/// </summary>
internal sealed class Attachments : IDisposable
{
    private readonly List<PluggedDevice> _all = [];
    private readonly MachineConfig _machine;
    private readonly MachineHost _host;
    private readonly DeviceMemory _memory;
    private readonly DeviceModelLink _deviceModel;

    /// <param name="config">The machine.</param>
    /// <param name="host">The process around it.</param>
    /// <param name="deviceModel">The way to the process that serves some of them; ended with them.</param>
    /// <param name="saved">A machine that goes on with them; null for one that begins.</param>
    /// <exception cref="Storage.ImageException">An image cannot be used.</exception>
    /// <exception cref="Host.LinuxException">The host refused a file or another thing that a device needs.</exception>
    /// <exception cref="Core.State.StateException">The devices are not those that were saved.</exception>
    public Attachments(MachineConfig config, MachineHost host, DeviceModelLink deviceModel, SnapshotReader? saved)
    {
        (_machine, _host, _deviceModel) = (config, host, deviceModel);
        _memory = new DeviceMemory(config, host.Note);
        try
        {
            IReadOnlyDictionary<string, SavedDevice>? places = saved is null ? null : SavedDevices.Match(saved, config);
            foreach (DeviceConfig device in SavedDevices.InOrder(config, places))
            {
                SavedDevice? place = places?[device.Id];
                Add(new PluggedDevice(device, Open(device), place?.Slot ?? FreeSlot() ?? throw NoSlot()) { IsLeaving = place?.IsLeaving ?? false });
            }

            deviceModel.Complete();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What belongs to guest memory beside RAM.</summary>
    public IReadOnlyList<GuestMemoryRegion> Memory => _memory.Regions;

    /// <summary>All of them.</summary>
    public IReadOnlyList<PluggedDevice> All => _all;

    /// <summary>Gets what the host must give for a device. Takes no lock.</summary>
    /// <exception cref="Storage.ImageException">An image cannot be used.</exception>
    /// <exception cref="Host.LinuxException">The host refused a file or another thing that the device needs.</exception>
    public IAttachment Open(DeviceConfig device) => device switch
    {
        PmemConfig pmem => _memory.Attach(pmem),
        _ when _deviceModel.Serves(device) => _deviceModel.Open(device),
        _ => OpenHere(device, _machine, _host),
    };

    /// <summary>Gets what the host must give for a device that this process serves.</summary>
    /// <exception cref="Storage.ImageException">An image cannot be used.</exception>
    /// <exception cref="Host.LinuxException">The host refused a file or another thing that the device needs.</exception>
    public static IAttachment OpenHere(DeviceConfig device, MachineConfig machine, MachineHost host) => device switch
    {
        DiskConfig disk => new DiskAttachment(disk, machine.Vcpus, host),
        NetConfig net => new NetAttachment(net, machine.Name, host),
        RngConfig rng => new RngAttachment(rng),
        BalloonConfig balloon => new BalloonAttachment(balloon),
        VsockConfig vsock => new VsockAttachment(vsock, host.Loop),
        ShareConfig share => new ShareAttachment(share),
        ConsoleConfig console => new ConsoleAttachment(console, host),
        VhostUserConfig remote => VhostUserAttachment.Open(remote, machine, host),
        _ => throw new ArgumentException($"{device.GetType().Name} is no device", nameof(device)),
    };

    /// <summary>Asks devices that are served elsewhere how they stand. Takes no lock.</summary>
    public void Look() => _deviceModel.Look();

    /// <summary>The device of that id.</summary>
    public PluggedDevice? Find(string id) => _all.Find(device => device.Id == id);

    /// <summary>The first slot without a device, beside those that something else stands in; device 0 is the host bridge.</summary>
    public int? FreeSlot(ReadOnlySpan<int> taken = default)
    {
        for (int slot = 1; slot <= ConfigValidator.MostDevices; slot++)
        {
            if (!taken.Contains(slot) && !_all.Exists(device => device.Slot == slot)) return slot;
        }

        return null;
    }

    /// <summary>Takes a device in.</summary>
    public void Add(PluggedDevice device) => _all.Add(device);

    /// <summary>Takes a device out and gives back what the host gave for it. No life of the machine has it any more.</summary>
    public void Remove(PluggedDevice device)
    {
        _all.Remove(device);
        device.Attachment.Dispose();
    }

    /// <summary>Why a device is refused when all slots are taken.</summary>
    public static DeviceException NoSlot() => new($"all {ConfigValidator.MostDevices} slots of the PCI bus are taken");

    /// <summary>Takes all devices out. No life of the machine has them any more; memory that they showed stays.</summary>
    public void ReleaseAll()
    {
        for (int i = _all.Count - 1; i >= 0; i--) _all[i].Attachment.Dispose();
        _all.Clear();
        _deviceModel.Dispose();
    }

    public void Dispose()
    {
        ReleaseAll();
        _memory.Dispose();
    }
}
