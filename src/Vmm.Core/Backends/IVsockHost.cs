namespace Vmm.Core.Backends;

/// <summary>The host's end of a guest's socket device: whom the guest can reach, and who reaches the guest. Nothing here blocks.</summary>
public interface IVsockHost : IDisposable
{
    /// <summary>Names the guest's end, before the machine runs. A later call (the machine was reset) replaces the earlier.</summary>
    void Attach(IVsockGuest guest);

    /// <summary>The guest connects to a port of the host.</summary>
    /// <returns>The caller's; null when nobody listens there for this kind of connection.</returns>
    IVsockStream? TryConnect(uint port, VsockKind kind);
}
