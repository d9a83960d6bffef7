using System.Collections.Immutable;
using Vmm.Core.Text;
using Vmm.Machine.Config;

namespace Vmm.Control.Xl;

/// <content>Where vCPUs run, and devices that xl does not know.</content>
public sealed partial class XlDomain
{
    /// <summary>A text is for all vCPUs, a list has an entry for each.</summary>
    private ImmutableArray<ImmutableArray<int>> Affinity()
    {
        int vcpus = (int)Math.Clamp(Number("vcpus") ?? 1, 0, ConfigValidator.MostVcpus);
        switch (_document.Find("cpus")?.Value)
        {
            case null or XlText { Value: "" }:
                return [];
            case XlText text:
                return [.. Enumerable.Repeat(Cpus(text), vcpus)];
            case XlList { Items.Length: > ConfigValidator.MostVcpus } list:
                Fail("cpus", list.Position, $"{list.Items.Length} entries are more than the {ConfigValidator.MostVcpus} vCPUs that a guest can have");
                return [];
            case XlList list:
                return [.. list.Items.Select(item => item is XlText or XlNumber ? Cpus(item) : Refuse(item))];
            case XlValue other:
                return [.. Enumerable.Repeat(Cpus(other), vcpus)];
        }

        ImmutableArray<int> Refuse(XlValue item)
        {
            Fail("cpus", item.Position, $"an entry is a text, not {item.Kind}");
            return [];
        }
    }

    private ImmutableArray<int> Cpus(XlValue value)
    {
        string text = value is XlNumber number ? number.Value.ToString(System.Globalization.CultureInfo.InvariantCulture) : ((XlText)value).Value;
        IReadOnlyList<int>? cpus = XlCpuList.Parse(text, Environment.ProcessorCount, out string? error);
        if (cpus is null) Fail("cpus", value.Position, error!);
        // All of them is no restriction, also when processors are added.
        return cpus is null || cpus.Count == Environment.ProcessorCount ? [] : [.. cpus];
    }

    /// <summary>Devices in the words of the options of <c>vmm run</c>: "rng", "vsock,cid=3,path=/run/vm.sock".</summary>
    private MachineConfig WithFurther(MachineConfig machine)
    {
        List<DeviceConfig> devices = [.. machine.Devices];
        Dictionary<string, int> counts = new(StringComparer.Ordinal);
        foreach (XlText text in Entries("vmm_devices"))
        {
            string kind = OptionText.SplitFirst(text.Value, out string words);
            List<ConfigError> errors = [];
            int index = counts.GetValueOrDefault(kind);
            counts[kind] = index + 1;
            DeviceConfig? device = DeviceKinds.Parse(kind, index, words, errors);
            if (device is null) Fail("vmm_devices", text.Position, $"there is no kind of device '{kind}'; did you mean '{Spelling.Nearest(kind, DeviceKinds.All)}'?");
            foreach (ConfigError error in errors) Fail("vmm_devices", text.Position, error.ToString());
            if (device is ConsoleConfig && index != 0) Fail("vmm_devices", text.Position, "a guest has one console device at most");
            // A balloon that is described takes the place of the one that is always there.
            if (device is BalloonConfig) devices.RemoveAll(d => d.Id == BalloonId);
            if (device is not null && errors.Count == 0) devices.Add(device);
        }

        return counts.Count == 0 ? machine : machine.WithDevices(devices);
    }
}
