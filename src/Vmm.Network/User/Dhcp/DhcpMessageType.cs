namespace Vmm.Network.User.Dhcp;

/// <summary>DHCP message types (RFC 2132 §9.6).</summary>
internal enum DhcpMessageType : byte
{
    None = 0,
    DHCPDISCOVER = 1,
    DHCPOFFER = 2,
    DHCPREQUEST = 3,
    DHCPDECLINE = 4,
    DHCPACK = 5,
    DHCPNAK = 6,
    DHCPRELEASE = 7,
    DHCPINFORM = 8,
}
