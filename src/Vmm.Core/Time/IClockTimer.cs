namespace Vmm.Core.Time;

/// <summary>A one-shot timer. Any thread may arm it. A call-back that is already under way can still arrive after a disarm.</summary>
public interface IClockTimer : IDisposable
{
    /// <summary>Sets the deadline in <see cref="IClock.NowNs"/> time, instead of any earlier one. A past deadline expires at once.</summary>
    void Arm(long deadlineNs);

    /// <summary>Forgets the deadline.</summary>
    void Disarm();
}
