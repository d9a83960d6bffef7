using System.Collections.Immutable;
using System.Net;
using System.Text.Json.Serialization;
using Vmm.Host.Net;
using Vmm.Network.Xend;

namespace Vmm.Machine.Config;

/// <summary>An interface vifDOMID.DEVID of the host, in one of the networks that <c>vmm network</c> starts. For domains only.</summary>
public sealed record VifLinkConfig : NetLinkConfig
{
    private const int MostDeviceId = 99, MostPlainNameBytes = TapQueue.MostNameBytes - 4;

    /// <summary>Its number among the domain's.</summary>
    public int DeviceId { get; init; }

    /// <summary>The bridge; null for that of the network that is started.</summary>
    public string? Bridge { get; init; }

    /// <summary>The addresses that the guest may use; empty for any.</summary>
    public ImmutableArray<string> Addresses { get; init; } = [];

    /// <summary>The hook script; null for none.</summary>
    public string? Script { get; init; }

    /// <summary>The card whose address the host has towards a guest that it routes to; null for that of the default route.</summary>
    public string? GatewayDevice { get; init; }

    /// <summary>The interface's name; null for vifDOMID.DEVID.</summary>
    public string? InterfaceName { get; init; }

    /// <summary>Nothing is said of its place: where no network is started, a guest has one of its own.</summary>
    [JsonIgnore]
    public bool IsAnywhere => Bridge is null && Script is null && GatewayDevice is null && InterfaceName is null && Addresses.IsEmpty;

    /// <summary>The interface of a domain's device.</summary>
    internal VifSpec ToSpec(NetConfig net, string mac, DomainIdentity domain) => new()
    {
        DomainId = domain.Id,
        DeviceId = DeviceId,
        DomainName = domain.Name,
        DomainUuid = domain.Uuid,
        Mac = mac,
        Bridge = Bridge,
        Addresses = Addresses,
        Script = Script,
        GatewayDevice = GatewayDevice,
        InterfaceName = InterfaceName,
        Mtu = net.Mtu,
        Queues = net.Queues,
    };

    /// <inheritdoc/>
    internal override void Check(string path, NetConfig net, List<ConfigError> errors)
    {
        if (DeviceId is < 0 or > MostDeviceId) errors.Add(new($"{path}.devid", $"{DeviceId} is not from 0 to {MostDeviceId}"));
        CheckName($"{path}.bridge", Bridge, TapQueue.MostNameBytes, errors);
        CheckName($"{path}.gatewaydev", GatewayDevice, TapQueue.MostNameBytes, errors);
        CheckName($"{path}.vifname", InterfaceName, MostPlainNameBytes, errors);
        if (Script is "") errors.Add(new($"{path}.script", "is empty"));
        foreach (string address in Addresses.Where(a => !IsAddress(a))) errors.Add(new($"{path}.ip", $"'{address}' is no IP address; 10.0.0.5 or 10.0.0.0/29 would be"));
    }

    /// <summary>Takes "devid", "bridge", "ip" (several separated by blanks), "script", "gatewaydev" and "vifname".</summary>
    internal static VifLinkConfig Take(OptionText keys) => new()
    {
        DeviceId = keys.TakeNumber("devid", 0, 0, MostDeviceId),
        Bridge = keys.Take("bridge"),
        Addresses = [.. (keys.Take("ip") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries)],
        Script = keys.Take("script"),
        GatewayDevice = keys.Take("gatewaydev"),
        InterfaceName = keys.Take("vifname"),
    };

    private static void CheckName(string path, string? name, int most, List<ConfigError> errors)
    {
        // Such names go into rules for nft and iptables.
        bool isGood = name is null || (name.Length > 0 && name.Length <= most && name is not "." and not ".." && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '@'));
        if (!isGood) errors.Add(new(path, $"'{name}' is no name for an interface here: 1 to {most} letters, digits, '-', '_', '.' and '@'"));
    }

    // As written, no shorthand: the text goes into rules.
    private static bool IsAddress(string text)
    {
        string[] parts = text.Split('/');
        if (parts.Length > 2 || !IPAddress.TryParse(parts[0], out IPAddress? address) || parts[0].Contains('%', StringComparison.Ordinal)) return false;
        bool isV6 = address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6;
        if (!isV6 && address.ToString() != parts[0]) return false;
        return parts.Length == 1 || (byte.TryParse(parts[1], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out byte bits) && bits <= (isV6 ? 128 : 32));
    }
}
