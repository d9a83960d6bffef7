namespace Vmm.Core.Backends;

/// <summary>What became of a frame.</summary>
public enum NetSendResult : byte
{
    /// <summary>It is on its way.</summary>
    Sent,

    /// <summary>It is lost: the link is down, the frame is no frame, or the host refused it. The sender goes on.</summary>
    Dropped,

    /// <summary>There is no room now. Try again after <see cref="INetReceiver.RoomToSend"/>.</summary>
    Full,
}
