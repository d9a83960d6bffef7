namespace Vmm.Network.User.Tcp;

/// <summary>What tells connections apart, as the guest sees them.</summary>
internal readonly record struct TcpKey(IpAddress GuestAddress, ushort GuestPort, IpAddress RemoteAddress, ushort RemotePort);
