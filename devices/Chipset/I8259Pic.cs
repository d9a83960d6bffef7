using Vmm.Core.Bus;
using Vmm.Core.Interrupts;
using Vmm.Core.State;

namespace Vmm.Devices.Chipset;

/// <summary>
/// The pair of 8259A interrupt controllers of a PC (Intel 8259A datasheet) with the edge/level control registers of the PIIX and later
/// south bridges. Attach <see cref="MasterRegion"/> at port 0x20, <see cref="SlaveRegion"/> at 0xa0 (two ports each) and
/// <see cref="ElcrRegion"/> at 0x4d0 (two ports).
/// </summary>
/// <remarks>Thread-safe. The INTR output is driven with the lock held; the lock comes before a local APIC's.</remarks>
public sealed class I8259Pic : BytePortDevice, IStateful<I8259PicState>
{
    public const int MasterRegion = 0;
    public const int SlaveRegion = 1;
    public const int ElcrRegion = 2;

    /// <summary>Number of input pins, pin 2 (the cascade) among them.</summary>
    public const int PinCount = 16;

    // Timer, keyboard, cascade, RTC and coprocessor interrupts are always edges.
    private const byte MasterElcrWritable = 0xf8;
    private const byte SlaveElcrWritable = 0xde;

    private readonly Lock _gate = new();
    private readonly I8259Chip _master = new(MasterElcrWritable, isMaster: true);
    private readonly I8259Chip _slave = new(SlaveElcrWritable, isMaster: false);
    private readonly IInterruptLine _intr;
    private volatile bool _hasInterrupt;

    /// <param name="intr">The INTR output.</param>
    public I8259Pic(IInterruptLine intr) => _intr = intr;

    /// <summary>The level of the INTR output. Cheap; no lock.</summary>
    public bool HasInterrupt => _hasInterrupt;

    /// <summary>The state after power-on; the pins keep their levels.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            _master.Reset();
            _slave.Reset();
            Update();
        }
    }

    /// <summary>Drives an input pin. Pin 2 is the cascade and cannot be driven.</summary>
    public void SetPin(int pin, bool asserted)
    {
        lock (_gate)
        {
            if (pin >= 8) _slave.SetPin(pin - 8, asserted);
            else if (1 << pin != I8259Chip.CascadeBit) _master.SetPin(pin, asserted);
            Update();
        }
    }

    /// <summary>Sets a pin's level after a restore, without an edge.</summary>
    public void RestorePin(int pin, bool asserted)
    {
        lock (_gate)
        {
            if (pin >= 8) _slave.RestorePin(pin - 8, asserted);
            else if (1 << pin != I8259Chip.CascadeBit) _master.RestorePin(pin, asserted);
        }
    }

    /// <summary>The acknowledge cycle. False, and nothing changes, when the INTR output is low.</summary>
    public bool TryAcknowledge(out byte vector)
    {
        lock (_gate)
        {
            vector = 0;
            if (!_master.Int) return false;
            vector = _master.Acknowledge(out bool isCascade);
            if (isCascade) vector = _slave.Acknowledge(out _);
            Update();
            return true;
        }
    }

    /// <inheritdoc/>
    public I8259PicState Save()
    {
        lock (_gate) return new I8259PicState { Master = _master.Save(), Slave = _slave.Save() };
    }

    /// <inheritdoc/>
    public void Restore(I8259PicState state)
    {
        if (state.Version != I8259PicState.CurrentVersion)
            throw new StateException($"8259: state version {state.Version} cannot be restored");
        lock (_gate)
        {
            _master.Restore(state.Master);
            _slave.Restore(state.Slave);
            _hasInterrupt = _master.Int;
            _intr.RestoreLevel(_hasInterrupt);
        }
    }

    /// <inheritdoc/>
    protected override byte ReadPort(int region, int offset)
    {
        lock (_gate)
        {
            if (region == ElcrRegion) return (offset == 0 ? _master : _slave).Elcr;
            I8259Chip chip = region == MasterRegion ? _master : _slave;
            byte value = offset == 0 ? chip.ReadCommand() : chip.ReadData();
            Update();
            return value;
        }
    }

    /// <inheritdoc/>
    protected override void WritePort(int region, int offset, byte value)
    {
        lock (_gate)
        {
            I8259Chip chip = region == ElcrRegion ? (offset == 0 ? _master : _slave) : region == MasterRegion ? _master : _slave;
            if (region == ElcrRegion) chip.Elcr = value;
            else if (offset == 0) chip.WriteCommand(value);
            else chip.WriteData(value);
            Update();
        }
    }

    private void Update()
    {
        _master.SetCascade(_slave.Int);
        _hasInterrupt = _master.Int;
        _intr.SetLevel(_hasInterrupt);
    }
}
