using System.Globalization;

namespace Vmm.Network.User;

/// <summary>A port of the host that leads to a port of the guest.</summary>
/// <param name="IsUdp">UDP; else TCP.</param>
/// <param name="HostAddress">Where the host listens; 0.0.0.0 for all its addresses.</param>
/// <param name="HostPort">The host's port.</param>
/// <param name="GuestAddress">The guest's address; null for the first one that DHCP gives.</param>
/// <param name="GuestPort">The guest's port.</param>
public sealed record PortForward(bool IsUdp, Ipv4Address HostAddress, ushort HostPort, Ipv4Address? GuestAddress, ushort GuestPort)
{
    /// <summary>Reads <c>tcp:127.0.0.1:2222-:22</c>: protocol, host address (may be empty: all), host port, guest address (may be empty), guest port.</summary>
    /// <param name="text">The words.</param>
    /// <param name="forward">What they say.</param>
    /// <param name="why">What is wrong with them.</param>
    public static bool TryParse(string text, out PortForward? forward, out string why)
    {
        forward = null;
        why = $"'{text}' is no forward; tcp:127.0.0.1:2222-:22 would be";
        string[] sides = text.Split('-');
        if (sides.Length != 2) return false;
        string[] host = sides[0].Split(':');
        string[] guest = sides[1].Split(':');
        if (host.Length != 3 || guest.Length != 2) return false;
        if (host[0] is not ("tcp" or "udp"))
        {
            why = $"'{host[0]}' is neither tcp nor udp";
            return false;
        }

        if (!TryAddress(host[1], out Ipv4Address? hostAddress, ref why) || !TryAddress(guest[0], out Ipv4Address? guestAddress, ref why)) return false;
        if (!TryPort(host[2], out ushort hostPort, ref why) || !TryPort(guest[1], out ushort guestPort, ref why)) return false;
        forward = new(host[0] == "udp", hostAddress ?? default, hostPort, guestAddress, guestPort);
        why = "";
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{(IsUdp ? "udp" : "tcp")}:{HostAddress}:{HostPort}-{GuestAddress}:{GuestPort}";

    private static bool TryAddress(string text, out Ipv4Address? address, ref string why)
    {
        address = null;
        if (text.Length == 0) return true;
        if (Ipv4Address.TryParse(text, out Ipv4Address parsed))
        {
            address = parsed;
            return true;
        }

        why = $"'{text}' is no IPv4 address";
        return false;
    }

    private static bool TryPort(string text, out ushort port, ref string why)
    {
        if (ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port != 0) return true;
        why = $"'{text}' is no port; 1 to 65535 are";
        return false;
    }
}
