namespace Vmm.Network.User.Udp;

/// <summary>A port of the guest; what it asks our name server goes apart from the rest.</summary>
internal readonly record struct UdpKey(Ipv4Address GuestAddress, ushort GuestPort, bool IsNameService);
