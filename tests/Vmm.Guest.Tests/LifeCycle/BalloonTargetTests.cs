using Iced.Intel;
using Vmm.Machine;
using Vmm.Machine.Config;

namespace Vmm.Guest.Tests.LifeCycle;

/// <summary>The balloon through the machine; what a driver does with it is tested with Linux.</summary>
public class BalloonTargetTests
{
    private const ulong Mebibyte = 1 << 20;

    [Fact]
    public void SetBalloonTarget_AsFarAsItMakesSense_IsKept()
    {
        using RunningMachine running = new(Accelerator.Software, Wait);
        GuestMachine machine = running.Machine;
        Assert.Throws<DeviceException>(() => machine.SetBalloonTarget(Mebibyte));
        Assert.Null(machine.BalloonStatistics);

        machine.AddDevice(new BalloonConfig { Id = "balloon", TargetBytes = 2 * Mebibyte });
        Assert.Equal(2 * Mebibyte, machine.BalloonStatistics?.TargetBytes);
        machine.SetBalloonTarget(8 * Mebibyte);
        Assert.Equal(8 * Mebibyte, machine.BalloonStatistics?.TargetBytes);
        Assert.Throws<DeviceException>(() => machine.SetBalloonTarget(17 * Mebibyte));
        Assert.Contains("one at most", Assert.Throws<DeviceException>(() => machine.AddDevice(new BalloonConfig { Id = "other" })).Message, StringComparison.Ordinal);
        Assert.Equal(8 * Mebibyte, machine.BalloonStatistics?.TargetBytes);
    }

    private static void Wait(Assembler code)
    {
        Label forever = code.CreateLabel();
        code.Label(ref forever);
        code.jmp(forever);
    }
}
