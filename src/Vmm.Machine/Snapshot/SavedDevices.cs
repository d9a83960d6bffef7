using Vmm.Core.State;
using Vmm.Machine.Config;

namespace Vmm.Machine.Snapshot;

/// <summary>Compares a machine that was saved with the configuration that is to go on with it.</summary>
internal static class SavedDevices
{
    /// <exception cref="StateException">It is another machine.</exception>
    public static void CheckMachine(SnapshotReader saved, MachineConfig config)
    {
        SnapshotManifest manifest = saved.Manifest;
        if (manifest.MemoryBytes != config.MemoryBytes)
            throw new StateException($"memory: the guest was saved with {SizeText.Format(manifest.MemoryBytes)}, and the configuration says {SizeText.Format(config.MemoryBytes)}");
        if (manifest.Vcpus != config.Vcpus) throw new StateException($"vcpus: the guest was saved with {manifest.Vcpus}, and the configuration says {config.Vcpus}");
        if (manifest.ClockNs < 0 || manifest.ParavirtualClockNs > long.MaxValue / 2 || manifest.ClockNs > long.MaxValue / 2 || manifest.UtcTicks < 0 || manifest.UtcTicks > DateTime.MaxValue.Ticks) throw new StateException("the time of the saved guest cannot be");
    }

    /// <summary>The places of a configuration's devices.</summary>
    /// <exception cref="StateException">They are not those that were saved.</exception>
    public static IReadOnlyDictionary<string, SavedDevice> Match(SnapshotReader saved, MachineConfig config)
    {
        Dictionary<string, SavedDevice> places = [];
        HashSet<int> slots = [];
        Dictionary<string, DeviceConfig> devices = config.Devices.ToDictionary(d => d.Id);
        foreach (SavedDevice place in saved.Manifest.Devices)
        {
            if (!devices.TryGetValue(place.Id, out DeviceConfig? device)) throw new StateException($"{place.Kind} '{place.Id}' was saved with the guest, and the configuration has none");
            if (device.Kind != place.Kind) throw new StateException($"'{place.Id}' was saved as {place.Kind}, and the configuration says {device.Kind}");
            if (place.Slot is < 1 or > ConfigValidator.MostDevices || !slots.Add(place.Slot)) throw new StateException($"'{place.Id}' cannot have been in slot {place.Slot}");
            if (!places.TryAdd(place.Id, place)) throw new StateException($"'{place.Id}' was saved twice");
        }

        DeviceConfig? more = config.Devices.FirstOrDefault(d => !places.ContainsKey(d.Id));
        return more is null ? places : throw new StateException($"{more.Kind} '{more.Id}' of the configuration was not there when the guest was saved");
    }

    /// <summary>A configuration's devices in the order in which they came.</summary>
    public static IEnumerable<DeviceConfig> InOrder(MachineConfig config, IReadOnlyDictionary<string, SavedDevice>? places)
    {
        if (places is null) return config.Devices;
        string[] order = [.. places.Keys];
        return config.Devices.OrderBy(device => Array.IndexOf(order, device.Id));
    }
}
