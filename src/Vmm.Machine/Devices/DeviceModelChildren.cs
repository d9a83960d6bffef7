using System.Text;
using Vmm.DeviceModel;
using Vmm.Machine.Config;

namespace Vmm.Machine.Devices;

/// <summary>
/// The processes that serve a machine's own devices: one for all that are there from the beginning, and one for each that is added later.
/// Guarded by the life-cycle lock of the machine, as the attachments are.
/// </summary>
internal sealed class DeviceModelChildren(MachineConfig machine, MachineHost host) : IDisposable
{
    private readonly Dictionary<string, (DeviceModelProcess Process, int Place)> _places = [];
    private readonly List<DeviceModelProcess> _processes = [];
    private readonly Lock _gate = new();

    /// <summary>Whether a process of its own serves a device.</summary>
    public bool Serves(DeviceConfig device) => device switch
    {
        // A layer for throw-away writes is gone with the process that has it.
        DiskConfig disk => disk.Process ?? (machine.DeviceModel && !disk.Snapshot),
        // Hook scripts and names of domains belong to the domain's own process.
        NetConfig net => net.Process ?? (machine.DeviceModel && net.Link is not VifLinkConfig),
        _ => false,
    };

    /// <summary>Prepares the process for devices that belong together.</summary>
    public void Plan(IReadOnlyList<DeviceConfig> devices)
    {
        if (devices.Count == 0) return;
        // In the order of the configuration, which is how the process finds them.
        MachineConfig part = machine.WithDevices([.. devices]);
        DeviceConfig[] ordered = [.. part.Devices];
        int[] descriptors = [.. part.Nets.Select(net => net.Link).OfType<TapLinkConfig>().SelectMany(tap => tap.Descriptors)];
        DeviceModelProcess process = new(host.Executable ?? Environment.ProcessPath!, Encoding.UTF8.GetBytes(ConfigJson.Format(part)), ordered.Length, descriptors);
        lock (_gate)
        {
            _processes.Add(process);
            for (int i = 0; i < ordered.Length; i++) _places[ordered[i].Id] = (process, i);
        }
    }

    /// <summary>The device's front end.</summary>
    /// <exception cref="Host.LinuxException">The process cannot be started, or does not serve it.</exception>
    public VhostUserAttachment Open(DeviceConfig device)
    {
        bool isPlanned;
        lock (_gate) isPlanned = _places.ContainsKey(device.Id);
        if (!isPlanned) Plan([device]);
        (DeviceModelProcess Process, int Place) found;
        lock (_gate) found = _places[device.Id];
        try
        {
            return VhostUserAttachment.Open(device, () => found.Process.TryConnect(found.Place), machine, host, () => Forget(device.Id));
        }
        catch
        {
            Forget(device.Id);
            throw;
        }
    }

    /// <summary>A device is gone for good.</summary>
    private void Forget(string id)
    {
        DeviceModelProcess? unused = null;
        lock (_gate)
        {
            if (!_places.Remove(id, out (DeviceModelProcess Process, int Place) found)) return;
            if (_places.Values.All(place => place.Process != found.Process) && _processes.Remove(found.Process)) unused = found.Process;
        }

        unused?.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DeviceModelProcess process in _processes) process.Dispose();
        _processes.Clear();
        _places.Clear();
    }
}
