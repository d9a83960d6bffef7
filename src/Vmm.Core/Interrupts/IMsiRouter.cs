namespace Vmm.Core.Interrupts;

/// <summary>What an <see cref="IMsiSink"/> may be, too: it keeps messages ready behind eventfds (irqfd on KVM). Any thread.</summary>
public interface IMsiRouter
{
    /// <summary>Makes a route, closed. Null when none is free.</summary>
    IMsiRoute? TryCreateRoute();
}
