using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Vmm.Core.Text;

namespace Vmm.Control.Xl;

/// <summary>Reads an entry of xl's <c>vif</c> list: key=value, separated by commas (xl-network-configuration).</summary>
internal static class XlVifParser
{
    private const int LeastMtu = 68, MostMtu = 65535, InterfaceNameMaxLength = 15 - 4, MacParts = 6;

    private static readonly string[] Keys =
        ["mac", "bridge", "model", "type", "vifname", "script", "ip", "gatewaydev", "netdev", "rate", "mtu", "vlan", "devid", "backend", "accel"];

    private static readonly string[] Flags = ["trusted", "untrusted"];

    /// <summary>Reads an entry; an empty one is a NIC with all defaults.</summary>
    /// <param name="text">The entry.</param>
    /// <param name="error">What is wrong with it; null when it is good.</param>
    public static XlVifSpec? Parse(string text, out string? error)
    {
        error = null;
        XlVifSpec spec = new();
        HashSet<string> seen = [];
        foreach (string item in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (Flags.Contains(item)) continue;
            int at = item.IndexOf('=', StringComparison.Ordinal);
            string key = at < 0 ? item : item[..at].TrimEnd();
            if (at < 0 || !Keys.Contains(key)) error = at < 0 ? $"'{item}' is no key=value" : $"there is no key '{key}'; did you mean '{Spelling.Nearest(key, Keys)}'?";
            else if (!seen.Add(key)) error = $"'{key}' is given more than once";
            else spec = Set(spec, key, item[(at + 1)..].TrimStart(), ref error);
            if (error is not null) return null;
        }

        return spec;
    }

    private static XlVifSpec Set(XlVifSpec spec, string key, string value, ref string? error)
    {
        switch (key)
        {
            case "mac":
                if (!IsMac(value)) error = $"'{value}' is no address of a NIC; 00:16:3e:01:02:03 would be (the first byte even)";
                return spec with { Mac = value.ToLowerInvariant() };
            case "bridge":
                return spec with { Bridge = value };
            case "model":
                return spec with { Model = value };
            case "type":
                if (value is not ("vif" or "ioemu")) error = $"type '{value}' is none of vif, ioemu";
                return spec with { Type = value };
            case "vifname":
                if (value.Length is 0 or > InterfaceNameMaxLength || value.Any(c => c is '/' or ' ' || c <= ' ') || value is "." or "..")
                    error = $"'{value}' is no interface name of at most {InterfaceNameMaxLength} characters ('-emu' may follow it)";
                return spec with { InterfaceName = value };
            case "script":
                return spec with { Script = value };
            case "ip":
                ImmutableArray<string> addresses = [.. value.Split(' ', StringSplitOptions.RemoveEmptyEntries)];
                if (addresses.FirstOrDefault(a => !IsAddress(a)) is { } bad) error = $"'{bad}' is no IP address";
                return spec with { Addresses = addresses };
            case "gatewaydev" or "netdev":
                return spec with { GatewayDevice = value };
            case "rate":
                if (!XlRate.TryParse(value, out XlRate rate)) error = $"'{value}' is no rate; 10Mb/s, 1MB/s or 1MB/s@20ms would be";
                return spec with { Rate = rate };
            case "mtu":
                return spec with { Mtu = Number(key, value, LeastMtu, MostMtu, ref error) };
            case "devid":
                return spec with { DeviceId = Number(key, value, 0, 99, ref error) };
            case "vlan":
                return spec with { Vlan = value };
            case "backend":
                return spec with { Backend = value };
            default:
                return spec;
        }
    }

    private static int Number(string key, string value, int least, int most, ref string? error)
    {
        if (int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most) return number;
        error = $"{key} '{value}' is not a number from {least} to {most}";
        return least;
    }

    // A group's address cannot be a NIC's own.
    private static bool IsMac(string text)
    {
        string[] parts = text.Split(':');
        return parts.Length == MacParts && parts.All(p => p.Length == 2 && p.All(char.IsAsciiHexDigit)) && (Convert.ToByte(parts[0], 16) & 1) == 0;
    }

    private static bool IsAddress(string text)
    {
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        return IPAddress.TryParse(slash < 0 ? text : text[..slash], out IPAddress? address) && (address.ToString().Contains(':', StringComparison.Ordinal) || text.Count(c => c == '.') == 3)
            && (slash < 0 || int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int bits) && bits <= 128);
    }
}
