namespace Vmm.Network.User.Icmp;

/// <summary>What can become of a packet, whichever version of IP it is of.</summary>
internal enum IcmpError : byte
{
    /// <summary>There is no way to the network.</summary>
    NetUnreachable,

    /// <summary>The machine is not there.</summary>
    HostUnreachable,

    /// <summary>Nobody listens at the port.</summary>
    PortUnreachable,

    /// <summary>It is forbidden.</summary>
    Filtered,

    /// <summary>It is too long for the way.</summary>
    TooBig,

    /// <summary>It has passed too many routers.</summary>
    HopsExceeded,
}
