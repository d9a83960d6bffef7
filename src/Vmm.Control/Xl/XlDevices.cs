using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Vmm.Core.Time;
using Vmm.Machine.Config;

namespace Vmm.Control.Xl;

/// <summary>Devices of the machine from xl's words, in files and on the command line.</summary>
public static class XlDevices
{
    private const int Letters = 26, MacSuffixBytes = 3, MacLowBits = 0x7f;

    /// <summary>Reads an entry of a disk list, or the words behind block-attach.</summary>
    /// <param name="text">The words.</param>
    /// <param name="error">What is wrong with them; null when they are good.</param>
    public static DiskConfig? Disk(string text, out string? error)
    {
        XlDiskSpec? spec = XlDiskParser.Parse(text, out error);
        if (spec is null) return null;
        error = WhyNot(spec);
        return error is null ? Disk(spec) : null;
    }

    /// <summary>Reads an entry of a vif list, or the words behind network-attach.</summary>
    /// <param name="text">The words.</param>
    /// <param name="domain">The domain's name, from which an address that is not given follows.</param>
    /// <param name="deviceId">Its number where none is given.</param>
    /// <param name="error">What is wrong with them; null when they are good.</param>
    public static NetConfig? Vif(string text, string domain, int deviceId, out string? error)
    {
        XlVifSpec? spec = XlVifParser.Parse(text, out error);
        if (spec is null) return null;
        error = WhyNot(spec);
        return error is null ? Vif(spec, domain, spec.DeviceId ?? deviceId) : null;
    }

    /// <summary>The id of the network device with a number.</summary>
    public static string VifId(int deviceId) => string.Create(CultureInfo.InvariantCulture, $"vif{deviceId}");

    /// <summary>The number of the network device with an id; null for one that is none of xl's.</summary>
    public static int? VifNumber(string id)
        => id.StartsWith("vif", StringComparison.Ordinal) && int.TryParse(id.AsSpan("vif".Length), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;

    /// <summary>The number that stands for a disk's place; null for an id that is no place.</summary>
    public static int? DiskNumber(string id) => XlVirtualDevice.TryParse(id, out XlVirtualDevice? device) ? device.Number : null;

    /// <summary>How Linux names a virtio disk: vda, …, vdz, vdaa.</summary>
    public static string GuestName(int index)
    {
        string letters = "";
        for (int i = index; i >= 0; i = (i / Letters) - 1) letters = (char)('a' + (i % Letters)) + letters;
        return $"vd{letters}";
    }

    /// <summary>An entry of a disk list that says the same.</summary>
    public static string Words(DiskConfig disk)
    {
        string format = disk.Format == "vpc" ? "vhd" : disk.Format, flags = "";
        if (!disk.Discard) flags += ", no-discard";
        if (disk.Cache == DiskCache.None) flags += ", direct-io-safe";
        if (disk.AllowBacking) flags += ", backing";
        return $"format={format}, vdev={disk.Id}, access={(disk.ReadOnly ? "ro" : "rw")}{flags}, target={disk.Path}";
    }

    /// <summary>Why a disk cannot be had; null when it can.</summary>
    internal static string? WhyNot(XlDiskSpec disk) => disk switch
    {
        { IsCdrom: true, Target: not null } => "there are no CD drives yet",
        { Script: not null } => "hook scripts of disks are not there yet",
        { Backend: not (null or "0" or "Domain-0") } => "disks are served by Domain-0 only",
        { BackendType: "standalone" } => "backendtype standalone would have another program serve the disk",
        { Device.Partition: not 0 } => $"'{disk.Device.Name}' is a partition: a guest gets whole disks",
        _ => null,
    };

    /// <summary>Why a network device cannot be had; null when it can.</summary>
    internal static string? WhyNot(XlVifSpec vif) => vif switch
    {
        { Vlan: not null } => "'vlan' is refused: it is for Open vSwitch",
        { Backend: not (null or "0" or "Domain-0") } => "vifs are served by Domain-0 only",
        _ => null,
    };

    /// <summary>The machine's disk.</summary>
    internal static DiskConfig Disk(XlDiskSpec spec) => new()
    {
        Id = spec.Device.Name,
        Path = spec.Target ?? "",
        Format = spec.Format == "vhd" ? "vpc" : spec.Format,
        ReadOnly = spec.IsReadOnly,
        AllowBacking = spec.AllowsBacking,
        Discard = spec.Discard ?? true,
        Cache = spec.IsDirectIoSafe ? DiskCache.None : DiskCache.Writeback,
    };

    /// <summary>The machine's network device.</summary>
    internal static NetConfig Vif(XlVifSpec spec, string domain, int deviceId) => new()
    {
        Id = VifId(deviceId),
        Link = new VifLinkConfig
        {
            DeviceId = deviceId,
            Bridge = spec.Bridge,
            Addresses = spec.Addresses,
            Script = spec.Script,
            GatewayDevice = spec.GatewayDevice,
            InterfaceName = spec.InterfaceName,
        },
        Mac = spec.Mac ?? MacOf(domain, deviceId),
        Mtu = spec.Mtu,
        SendLimits = spec.Rate is { } rate ? new RateLimits(new TokenRate(rate.BytesPerSecond, rate.BytesPerInterval), default) : default,
    };

    /// <summary>An address of Xen's range that follows from the name, so that a domain has the same one whenever it is created.</summary>
    public static string MacOf(string domain, int deviceId)
    {
        ReadOnlySpan<byte> hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{domain}/{deviceId}"))).AsSpan(0, MacSuffixBytes);
        return string.Create(CultureInfo.InvariantCulture, $"00:16:3e:{hash[0] & MacLowBits:x2}:{hash[1]:x2}:{hash[2]:x2}");
    }
}
