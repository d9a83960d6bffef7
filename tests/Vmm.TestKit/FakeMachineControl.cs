using Vmm.Core.Hypervisor;

namespace Vmm.TestKit;

/// <summary>Counts what devices ask of the machine.</summary>
public sealed class FakeMachineControl : IMachineControl
{
    public int PowerOffs { get; private set; }

    public int Resets { get; private set; }

    public int Panics { get; private set; }

    public void RequestPowerOff() => PowerOffs++;

    public void RequestReset() => Resets++;

    public void ReportPanic() => Panics++;
}
