using Vmm.Core.Bus;
using Vmm.Core.Hypervisor;
using Vmm.Core.State;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The reset control register at port 0xcf9 (Intel ICH datasheets, RST_CNT), which is the FADT's reset register, too: a rising RCPU bit
/// resets the machine.
/// </summary>
public sealed class ResetControl(IMachineControl machine) : BytePortDevice, IStateful<ResetControlState>
{
    /// <summary>Where it stands: in the middle of the PCI configuration address register, which takes only 32-bit accesses.</summary>
    public const ushort Port = 0xcf9;

    /// <summary>What the FADT's RESET_VALUE must be.</summary>
    public const byte ResetValue = (byte)(ResetControlBits.SRST | ResetControlBits.RCPU);

    private ResetControlBits _value;

    /// <inheritdoc/>
    public ResetControlState Save() => new() { Value = (byte)_value };

    /// <inheritdoc/>
    public void Restore(ResetControlState state)
    {
        if (state.Version != ResetControlState.CurrentVersion)
            throw new StateException($"reset control: state version {state.Version} cannot be restored");
        _value = (ResetControlBits)state.Value & ResetControlBits.Kept;
    }

    /// <inheritdoc/>
    protected override byte ReadPort(int region, int offset) => (byte)_value;

    /// <inheritdoc/>
    protected override void WritePort(int region, int offset, byte value)
    {
        // RCPU reads back as zero, so that each write of a one is a rising edge.
        _value = (ResetControlBits)value & ResetControlBits.Kept;
        if (((ResetControlBits)value & ResetControlBits.RCPU) != 0) machine.RequestReset();
    }
}
