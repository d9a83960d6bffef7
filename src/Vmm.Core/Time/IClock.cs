namespace Vmm.Core.Time;

/// <summary>The machine's time. It starts at 0, never goes back and stands still while the machine is paused.</summary>
public interface IClock
{
    /// <summary>Nanoseconds of machine time.</summary>
    long NowNs { get; }

    /// <summary>Wall-clock time (for the RTC).</summary>
    DateTimeOffset UtcNow { get; }

    /// <summary>A one-shot timer, disarmed.</summary>
    /// <param name="expired">Called on the event-loop thread, without any lock held, at or shortly after the deadline. Must not block.</param>
    IClockTimer CreateTimer(Action expired);
}
