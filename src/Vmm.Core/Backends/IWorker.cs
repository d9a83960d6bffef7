namespace Vmm.Core.Backends;

/// <summary>One piece of work and who does it. Dispose waits for a run that is under way; after it the work never runs again.</summary>
public interface IWorker : IDisposable
{
    /// <summary>Has the work run, from its beginning, at least once after this call. Any thread, the work itself too. Never blocks; wakes add up to one.</summary>
    void Wake();

    /// <summary>An eventfd that wakes as <see cref="Wake"/> does when it is signalled, by KVM or by another process; -1 where there is none. Good until Dispose.</summary>
    int WakeDescriptor => -1;

    /// <summary>Has an eventfd of somebody else's wake it, too, until <see cref="StopListening"/>; nobody takes its count. False where that cannot be.</summary>
    bool TryListen(int descriptor) => false;

    /// <summary>Ends <see cref="TryListen"/>, before the descriptor is closed.</summary>
    void StopListening(int descriptor)
    {
    }
}
