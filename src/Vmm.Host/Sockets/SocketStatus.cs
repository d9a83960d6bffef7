namespace Vmm.Host.Sockets;

/// <summary>How a call on a socket ended, as far as callers tell it apart.</summary>
public enum SocketStatus : byte
{
    Ok,

    /// <summary>Nothing to do now (EAGAIN, EINPROGRESS): the event loop says when.</summary>
    Pending,

    /// <summary>Nobody listens there (ECONNREFUSED).</summary>
    Refused,

    /// <summary>The peer broke the connection (ECONNRESET, EPIPE).</summary>
    Reset,

    /// <summary>EHOSTUNREACH.</summary>
    HostUnreachable,

    /// <summary>ENETUNREACH, ENETDOWN.</summary>
    NetUnreachable,

    /// <summary>ETIMEDOUT.</summary>
    TimedOut,

    /// <summary>The datagram is too long for the path (EMSGSIZE).</summary>
    TooLong,

    /// <summary>The process may not do that (EPERM, EACCES).</summary>
    Denied,

    /// <summary>EADDRINUSE.</summary>
    AddressInUse,

    /// <summary>The host lacks descriptors, memory or local ports.</summary>
    NoResources,

    /// <summary>Any other error.</summary>
    Failed,
}
