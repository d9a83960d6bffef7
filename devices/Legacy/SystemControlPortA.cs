using Vmm.Core.Bus;
using Vmm.Core.Hypervisor;

namespace Vmm.Devices.Legacy;

/// <summary>System control port A, 0x92 (IBM PS/2 technical reference): bit 1 is the A20 gate, a rising bit 0 resets the machine.</summary>
public sealed class SystemControlPortA(A20Gate a20, IMachineControl machine) : BytePortDevice
{
    /// <summary>Where it stands.</summary>
    public const ushort Port = 0x92;

    private const byte FastReset = 1 << 0;
    private const byte FastA20 = 1 << 1;

    /// <inheritdoc/>
    protected override byte ReadPort(int region, int offset) => a20.IsEnabled ? FastA20 : (byte)0;

    /// <inheritdoc/>
    protected override void WritePort(int region, int offset, byte value)
    {
        a20.IsEnabled = (value & FastA20) != 0;
        if ((value & FastReset) != 0) machine.RequestReset();
    }
}
