using System.Globalization;
using Vmm.Host.Sockets;

namespace Vmm.Network.User;

/// <summary>A port of the host that leads to a port of the guest.</summary>
/// <param name="IsUdp">UDP; else TCP.</param>
/// <param name="HostAddress">Where the host listens; 0.0.0.0 for all its addresses, :: for all of IPv6.</param>
/// <param name="HostPort">The host's port.</param>
/// <param name="GuestAddress">The guest's address; null for the first one that DHCP gives.</param>
/// <param name="GuestPort">The guest's port.</param>
public sealed record PortForward(bool IsUdp, IpAddress HostAddress, ushort HostPort, IpAddress? GuestAddress, ushort GuestPort)
{
    /// <summary>
    /// Reads <c>tcp:127.0.0.1:2222-:22</c>: protocol, host address (may be empty: all), host port, guest address (may be empty), guest port. An
    /// address of IPv6 stands in brackets; the two need not be of one kind.
    /// </summary>
    /// <param name="text">The words.</param>
    /// <param name="forward">What they say.</param>
    /// <param name="why">What is wrong with them.</param>
    public static bool TryParse(string text, out PortForward? forward, out string why)
    {
        forward = null;
        why = $"'{text}' is no forward; tcp:127.0.0.1:2222-:22 would be";
        string[] sides = text.Split('-');
        int protocol = text.IndexOf(':');
        if (sides.Length != 2 || protocol < 0 || protocol >= sides[0].Length) return false;
        string kind = text[..protocol];
        if (!TrySplit(sides[0][(protocol + 1)..], out string host, out string hostPortText) || !TrySplit(sides[1], out string guest, out string guestPortText)) return false;
        if (kind is not ("tcp" or "udp"))
        {
            why = $"'{kind}' is neither tcp nor udp";
            return false;
        }

        if (!TryAddress(host, out IpAddress? hostAddress, ref why) || !TryAddress(guest, out IpAddress? guestAddress, ref why)) return false;
        if (!TryPort(hostPortText, out ushort hostPort, ref why) || !TryPort(guestPortText, out ushort guestPort, ref why)) return false;
        forward = new(kind == "udp", hostAddress ?? default(Ipv4Address), hostPort, guestAddress, guestPort);
        why = "";
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{(IsUdp ? "udp" : "tcp")}:{Written(HostAddress)}:{HostPort}-{Written(GuestAddress)}:{GuestPort}";

    /// <summary>Where the host listens.</summary>
    internal InetEndPoint HostEndPoint => HostAddress.IsV4 ? InetEndPoint.V4(HostAddress.V4.Value, HostPort) : new(HostAddress.Value, HostPort, IsIPv6: true);

    private static string Written(IpAddress? address) => address is not { } known ? "" : known.IsV4 ? $"{known}" : $"[{known}]";

    /// <summary>Parts "address:port"; an address with colons has brackets around it.</summary>
    private static bool TrySplit(string text, out string address, out string port)
    {
        int colon = text.LastIndexOf(':');
        (address, port) = colon < 0 ? ("", "") : (text[..colon], text[(colon + 1)..]);
        bool hasBrackets = address.StartsWith('[') && address.EndsWith(']');
        if (colon < 0 || (!hasBrackets && address.Contains(':'))) return false;
        if (hasBrackets) address = address[1..^1];
        return !hasBrackets || address.Contains(':');
    }

    private static bool TryAddress(string text, out IpAddress? address, ref string why)
    {
        address = null;
        if (text.Length == 0) return true;
        if (IpAddress.TryParse(text, out IpAddress parsed))
        {
            address = parsed;
            return true;
        }

        why = $"'{text}' is no IP address";
        return false;
    }

    private static bool TryPort(string text, out ushort port, ref string why)
    {
        if (ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port != 0) return true;
        why = $"'{text}' is no port; 1 to 65535 are";
        return false;
    }
}
