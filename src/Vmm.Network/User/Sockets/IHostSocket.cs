namespace Vmm.Network.User.Sockets;

/// <summary>A socket that tells of changes.</summary>
internal interface IHostSocket : IDisposable
{
    /// <summary>Names who hears of changes, through <see cref="IHostEvents.OnReady"/>; once for each change.</summary>
    /// <returns>False when the host has no room to watch it.</returns>
    bool Watch(IHostSocketUser user);
}
