namespace Vmm.Host;

/// <summary>What a descriptor is ready for (epoll_ctl(2)); the values are the kernel's.</summary>
[Flags]
public enum EpollEvents : uint
{
    None = 0,

    /// <summary>EPOLLIN.</summary>
    Readable = 1,

    /// <summary>EPOLLOUT.</summary>
    Writable = 4,

    /// <summary>EPOLLERR; always reported.</summary>
    Error = 8,

    /// <summary>EPOLLHUP; always reported.</summary>
    HangUp = 0x10,

    /// <summary>EPOLLRDHUP: the peer will send no more.</summary>
    PeerClosed = 0x2000,

    /// <summary>EPOLLONESHOT: report once, then watch nothing until it is said anew.</summary>
    OneShot = 0x40000000,

    /// <summary>EPOLLET: report a change once, not as long as it lasts.</summary>
    EdgeTriggered = 0x80000000,
}
