namespace Vmm.Network.User.Tcp;

/// <summary>Where a connection stands, as far as its beginning and end go; what lies between is told by its own flags.</summary>
internal enum TcpState : byte
{
    /// <summary>The guest's SYN waits for the host's connection.</summary>
    Connecting,

    /// <summary>Our SYN and ACK wait for the guest's ACK.</summary>
    SynReceived,

    /// <summary>Our SYN waits for the guest's.</summary>
    SynSent,

    /// <summary>Data may flow.</summary>
    Open,

    /// <summary>Both sides are done; a late segment is still acknowledged.</summary>
    Lingering,

    /// <summary>It is no more.</summary>
    Closed,
}
