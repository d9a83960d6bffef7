using System.Buffers.Binary;
using Vmm.Core.Bus;
using Vmm.Core.State;
using Vmm.Core.Time;

namespace Vmm.Devices.Chipset;

/// <summary>The ACPI power management timer (ACPI 6.5 §4.8.3.3): a free-running counter of 24 or 32 bits on four ports.</summary>
/// <param name="clock">The machine's time.</param>
/// <param name="is32Bit">Its width, FADT flag TMR_VAL_EXT.</param>
public sealed class PmTimer(IClock clock, bool is32Bit = true) : IBusDevice, IStateful<PmTimerState>
{
    /// <summary>Ticks each second.</summary>
    public const ulong FrequencyHz = 3_579_545;

    /// <summary>PM_TMR_LEN.</summary>
    public const byte PortCount = 4;

    private const ulong NsPerSecond = 1_000_000_000;

    private readonly int _bits = is32Bit ? 32 : 24;
    private ulong _offset;

    /// <summary>How often the counter's highest bit has changed.</summary>
    internal ulong Carries => Ticks >> (_bits - 1);

    /// <summary>When it changes next, in clock time.</summary>
    internal long NextCarryNs
    {
        get
        {
            ulong left = ((Carries + 1) << (_bits - 1)) - Ticks;
            return clock.NowNs + (long)(((UInt128)left * NsPerSecond + (FrequencyHz - 1)) / FrequencyHz);
        }
    }

    private ulong Ticks => unchecked(ClockTicks + _offset);

    private ulong ClockTicks => (ulong)((UInt128)(ulong)clock.NowNs * FrequencyHz / NsPerSecond);

    /// <inheritdoc/>
    public BusResult Read(in BusAccess access, Span<byte> data)
    {
        Span<byte> bytes = stackalloc byte[PortCount];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)(Ticks & ((1ul << _bits) - 1)));
        bytes.Slice((int)access.Offset, data.Length).CopyTo(data);
        return BusResult.Ok;
    }

    /// <inheritdoc/>
    public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data) => BusResult.Ok;

    /// <inheritdoc/>
    public PmTimerState Save() => new() { Ticks = Ticks };

    /// <inheritdoc/>
    public void Restore(PmTimerState state)
    {
        if (state.Version != PmTimerState.CurrentVersion) throw new StateException($"PM timer: state version {state.Version} cannot be restored");
        _offset = unchecked(state.Ticks - ClockTicks);
    }
}
