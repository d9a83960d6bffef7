namespace Vmm.Core.Backends;

/// <summary>The guest's end of its socket device. Any thread.</summary>
public interface IVsockGuest
{
    /// <summary>A peer wants to be connected with a port of the guest.</summary>
    /// <returns>True: the stream is the guest's now, and is disposed when the guest refuses. False: there is no guest, or no room, or the guest does not know this kind of connection.</returns>
    bool TryOpen(uint port, IVsockStream stream);
}
