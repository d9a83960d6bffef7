namespace Vmm.Network.User.Tcp;

/// <summary>What tells connections apart, as the guest sees them.</summary>
internal readonly record struct TcpKey(Ipv4Address GuestAddress, ushort GuestPort, Ipv4Address RemoteAddress, ushort RemotePort);
