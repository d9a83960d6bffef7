using System.Globalization;
using System.Text;
using Vmm.Machine.Config;

namespace Vmm.Cli.Domains;

/// <summary>Devices in the words of the command line's options, as a domain takes them.</summary>
internal static class DeviceWords
{
    /// <summary>A disk.</summary>
    public static string Of(DiskConfig disk)
    {
        StringBuilder words = new();
        Add(words, "path", disk.Path);
        Add(words, "format", disk.Format);
        Add(words, "id", disk.Id);
        if (disk.ReadOnly) Add(words, "readonly", "on");
        if (disk.AllowBacking) Add(words, "backing", "on");
        if (!disk.Discard) Add(words, "discard", "ignore");
        if (disk.Cache == DiskCache.None) Add(words, "cache", "none");
        return words.ToString();
    }

    /// <summary>A network device.</summary>
    public static string Of(NetConfig net)
    {
        StringBuilder words = new();
        switch (net.Link)
        {
            case TapLinkConfig tap:
                words.Append("tap");
                AddGiven(words, "ifname", tap.InterfaceName);
                AddGiven(words, "bridge", tap.Bridge);
                break;
            case VifLinkConfig vif:
                words.Append("vif");
                Add(words, "devid", vif.DeviceId.ToString(CultureInfo.InvariantCulture));
                AddGiven(words, "bridge", vif.Bridge);
                AddGiven(words, "ip", vif.Addresses.IsEmpty ? null : string.Join(' ', vif.Addresses));
                AddGiven(words, "script", vif.Script);
                AddGiven(words, "gatewaydev", vif.GatewayDevice);
                AddGiven(words, "vifname", vif.InterfaceName);
                break;
            default:
                words.Append("user");
                break;
        }

        Add(words, "id", net.Id);
        if (net.Mac is { } mac) Add(words, "mac", mac);
        if (net.Mtu is { } mtu) Add(words, "mtu", mtu.ToString(CultureInfo.InvariantCulture));
        if (net.SendLimits.Bytes.IsLimited)
        {
            Add(words, "tx-bps", net.SendLimits.Bytes.PerSecond.ToString(CultureInfo.InvariantCulture));
            Add(words, "tx-bps-burst", net.SendLimits.Bytes.Burst.ToString(CultureInfo.InvariantCulture));
        }

        return words.ToString();
    }

    private static void AddGiven(StringBuilder words, string key, string? value)
    {
        if (value is not null) Add(words, key, value);
    }

    // Two commas stand for one.
    private static void Add(StringBuilder words, string key, string value)
        => words.Append(words.Length == 0 ? "" : ",").Append(key).Append('=').Append(value.Replace(",", ",,", StringComparison.Ordinal));
}
