namespace Vmm.Core.Interrupts;

/// <summary>Shorthands for <see cref="IInterruptLine"/>.</summary>
public static class InterruptLineExtensions
{
    /// <summary>One edge: up, then down.</summary>
    public static void Pulse(this IInterruptLine line)
    {
        line.SetLevel(true);
        line.SetLevel(false);
    }
}
