using System.Collections.Immutable;
using Vmm.Machine.Config;

namespace Vmm.Control.Xl;

/// <content>The devices: disk, vif, p9, serial.</content>
public sealed partial class XlDomain
{
    private ImmutableArray<DiskConfig> Disks()
    {
        List<(XlDiskSpec Spec, XlPosition Position)> disks = [];
        HashSet<int> places = [];
        foreach (XlText text in Entries("disk"))
        {
            XlDiskSpec? spec = XlDiskParser.Parse(text.Value, out string? error);
            error ??= XlDevices.WhyNot(spec!);
            if (error is null && !places.Add(spec!.Device.Number)) error = $"'{spec.Device.Name}' is another disk's place";
            if (error is not null) Fail("disk", text.Position, error);
            else if (spec!.IsCdrom) Warn(text.Position, $"the empty CD drive '{spec.Device.Name}' is left out: there are no CD drives yet");
            else disks.Add((spec, text.Position));
        }

        ImmutableArray<DiskConfig>.Builder machine = ImmutableArray.CreateBuilder<DiskConfig>(disks.Count);
        foreach ((XlDiskSpec spec, XlPosition position) in disks.OrderBy(d => d.Spec.Device.Number))
        {
            if (spec.Specification == "xen") Warn(position, $"'{spec.Device.Name}' is a virtio disk: there are no Xen devices yet");
            _places[$"disk[{machine.Count}]"] = position;
            machine.Add(XlDevices.Disk(spec));
        }

        return machine.DrainToImmutable();
    }

    /// <summary>The guest's kernel names virtio disks in another way than Xen's.</summary>
    private void WarnOfNames(string commandLine, ImmutableArray<DiskConfig> disks)
    {
        for (int i = 0; i < disks.Length; i++)
        {
            if (!commandLine.Contains($"/dev/{disks[i].Id}", StringComparison.Ordinal)) continue;
            XlSetting? setting = _document.Find("cmdline") ?? _document.Find("root") ?? _document.Find("extra");
            if (setting is not null) Warn(setting, $"the guest finds the disk '{disks[i].Id}' as /dev/{XlDevices.GuestName(i)}, not as /dev/{disks[i].Id}");
        }
    }

    private ImmutableArray<NetConfig> Vifs(string domain)
    {
        ImmutableArray<NetConfig>.Builder nets = ImmutableArray.CreateBuilder<NetConfig>();
        foreach (XlText text in Entries("vif"))
        {
            XlVifSpec? spec = XlVifParser.Parse(text.Value, out string? error);
            error ??= XlDevices.WhyNot(spec!);
            int id = spec?.DeviceId ?? nets.Count;
            if (error is null && nets.Any(n => n.Id == XlDevices.VifId(id))) error = $"devid {id} is another vif's";
            if (error is not null)
            {
                Fail("vif", text.Position, error);
                continue;
            }

            if (spec!.Model is { } model && !model.StartsWith("virtio", StringComparison.Ordinal)) Warn(text.Position, $"the model '{model}' has no effect: the guest gets a virtio network device");
            _places[$"net[{nets.Count}]"] = text.Position;
            nets.Add(XlDevices.Vif(spec, domain, id));
        }

        return nets.DrainToImmutable();
    }

    private ImmutableArray<ShareConfig> Shares()
    {
        ImmutableArray<ShareConfig>.Builder shares = ImmutableArray.CreateBuilder<ShareConfig>();
        foreach (XlText text in Entries("p9"))
        {
            ShareConfig? share = XlP9Parser.Parse(text.Value, shares.Count, out string? error);
            if (share is null)
            {
                Fail("p9", text.Position, error!);
                continue;
            }

            _places[$"share[{shares.Count}]"] = text.Position;
            shares.Add(share);
        }

        return shares.DrainToImmutable();
    }

    /// <summary>A text is COM1, a list COM1 and those after it. Without the key COM1 is the domain's console.</summary>
    private ImmutableArray<SerialConfig> Serial()
    {
        XlText[] texts = _document.Find("serial")?.Value switch
        {
            XlText text => [text],
            XlList => [.. Entries("serial")],
            XlValue other => Refuse(other),
            null => [],
        };
        if (texts.Length == 0) return [new SerialConfig(SerialKind.Stdio)];
        ImmutableArray<SerialConfig>.Builder ports = ImmutableArray.CreateBuilder<SerialConfig>();
        foreach (XlText text in texts)
        {
            SerialConfig? port = XlSerial.Parse(text.Value, out string? error);
            if (port is null) Fail("serial", text.Position, error!);
            else ports.Add(port);
            _places[$"serial[{ports.Count - 1}]"] = text.Position;
        }

        return ports.DrainToImmutable();

        XlText[] Refuse(XlValue other)
        {
            Fail("serial", other.Position, $"'serial' is a text or a list of texts, not {other.Kind}");
            return [];
        }
    }
}
