using Vmm.Core.Bus;
using Vmm.Core.Hypervisor;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The pvpanic port (QEMU docs/specs/pvpanic): a read tells the events understood, a write of one reports it. It has no state. The DSDT
/// names it as QEMU0001.
/// </summary>
public sealed class PvPanic(IMachineControl machine) : BytePortDevice
{
    /// <summary>Where it stands by convention.</summary>
    public const ushort Port = 0x505;

    private const byte PANICKED = 1 << 0;

    /// <inheritdoc/>
    protected override byte ReadPort(int region, int offset) => PANICKED;

    /// <inheritdoc/>
    protected override void WritePort(int region, int offset, byte value)
    {
        if ((value & PANICKED) != 0) machine.ReportPanic();
    }
}
