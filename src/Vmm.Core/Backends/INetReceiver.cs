namespace Vmm.Core.Backends;

/// <summary>The guest end of a network link. Any thread; never blocks; may be called for nothing.</summary>
public interface INetReceiver
{
    /// <summary>There are frames to receive, after <see cref="INetBackend.Receive"/> had answered that there are none.</summary>
    void FramesReady(int queue);

    /// <summary>There is room, after <see cref="INetBackend.Send"/> had answered that there is none.</summary>
    void RoomToSend(int queue);
}
