namespace Vmm.Network.User.Udp;

/// <summary>A port of the guest; what it asks our name server goes apart from the rest.</summary>
internal readonly record struct UdpKey(IpAddress GuestAddress, ushort GuestPort, bool IsNameService)
{
    /// <summary>The name server as this guest calls it.</summary>
    public IpAddress NameServer(UserNetOptions options) => GuestAddress.IsV4 ? options.DnsAddress : UserNetOptions.DnsAddressV6;
}
