using Vmm.Machine.Devices;
using Vmm.TestKit;

namespace Vmm.Machine.Tests;

public class LifeClockTests
{
    [Fact]
    public void Time_GoesOnThroughLives()
    {
        LifeClock clock = new();
        Assert.Equal(0, clock.NowNs);
        FakeClock first = new(), second = new();
        clock.Begin(first);
        first.Advance(500);
        clock.Begin(second);
        Assert.Equal(500, clock.NowNs);
        second.Advance(100);
        Assert.Equal(600, clock.NowNs);
    }

    [Fact]
    public void Timer_ArmedInOneLife_ExpiresOnceInTheNext()
    {
        LifeClock clock = new();
        int expired = 0;
        using Vmm.Core.Time.IClockTimer timer = clock.CreateTimer(() => expired++);
        timer.Arm(1000); // before there is any life
        FakeClock first = new(), second = new();
        clock.Begin(first);
        first.Advance(900);
        clock.Begin(second);
        first.Advance(5000); // the old life is over
        Assert.Equal(0, expired);
        second.Advance(99);
        Assert.Equal(0, expired);
        second.Advance(1);
        Assert.Equal(1, expired);
        timer.Arm(clock.NowNs + 10);
        timer.Disarm();
        second.Advance(1000);
        Assert.Equal(1, expired);
    }
}
