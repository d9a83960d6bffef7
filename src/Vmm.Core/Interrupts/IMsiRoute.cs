namespace Vmm.Core.Interrupts;

/// <summary>
/// An eventfd that sends a message when it is signalled, by whomever: this process, another one, the kernel. While it is closed, which a
/// masked vector is, a signal is kept; it is sent at the opening. Opening and closing come one at a time.
/// </summary>
public interface IMsiRoute : IDisposable
{
    /// <summary>The eventfd, good until Dispose.</summary>
    int Descriptor { get; }

    /// <summary>A signal was kept.</summary>
    bool IsPending { get; }

    /// <summary>Signals the eventfd. Any thread.</summary>
    void Signal();

    /// <summary>Opens it, or changes the message of one that is open.</summary>
    /// <returns>False when the host cannot; it is closed then.</returns>
    bool TryOpen(in MsiMessage message);

    /// <summary>Closes it. What is signalled from now on is kept.</summary>
    void Close();
}
