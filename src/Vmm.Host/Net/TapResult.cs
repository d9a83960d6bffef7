namespace Vmm.Host.Net;

/// <summary>How a transfer ended.</summary>
public enum TapResult : byte
{
    /// <summary>A frame has passed.</summary>
    Done,

    /// <summary>No frame is there, or no room for one.</summary>
    Pending,

    /// <summary>The kernel did not take the frame: the interface is down, the header is wrong, no memory.</summary>
    Refused,

    /// <summary>The queue is not in use, or the interface is gone.</summary>
    Gone,

    /// <summary>A signal came first.</summary>
    Again,
}
