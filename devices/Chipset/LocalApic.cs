using System.Buffers.Binary;
using Vmm.Core.Hypervisor;
using Vmm.Core.State;
using Vmm.Core.Time;

namespace Vmm.Devices.Chipset;

/// <summary>
/// A local APIC, xAPIC and x2APIC (Intel SDM vol. 3 ch. 11): the register model. Its MMIO page is <see cref="LocalApicPage"/>.
/// </summary>
/// <remarks>
/// Thread-safe. Lock order in the interrupt fabric: a device's own lock, then the 8259 pair or the IOAPIC, then one local APIC, and last
/// whatever <see cref="IVcpuSignals"/> and the clock take; their members are called with locks held and must not call back. A local
/// APIC calls the others (EOI, IPI, acknowledge) only after it has left its own lock. The vectors live in one array of 32-bit registers
/// in the layout of the MMIO page, which is also the saved form.
/// </remarks>
public sealed class LocalApic : ILocalApic
{
    private const uint VersionValue = 0x14 | 5 << 16 | 1 << 24; // integrated, six LVT entries, EOI-broadcast suppression
    private const byte FirstLegalVector = 16;
    private const uint XApicIdMask = 0xff000000;
    private const uint DfrModelMask = 0xf0000000;
    private const uint TdcrMask = 0b1011;
    private const int RegisterStride = 16;
    private const int PageBytes = ApicRegister.Count * RegisterStride;
    private const ulong DefaultBase = 0xfee00000;

    private readonly Lock _gate = new();
    private readonly IApicBus _bus;
    private readonly IVcpuSignals _signals;
    private readonly ApicTimer _timer;
    private readonly uint[] _registers = new uint[ApicRegister.Count];
    private readonly ApicVectors _vectors;
    private readonly bool _isBootProcessor;
    private ApicBaseBits _base;
    private EsrBits _errors;
    private bool _lint0;
    private volatile bool _hasInterrupt;

    internal LocalApic(uint id, bool isBootProcessor, IApicBus bus, IVcpuSignals signals, IClock clock)
    {
        Id = id;
        _isBootProcessor = isBootProcessor;
        _bus = bus;
        _signals = signals;
        _timer = new ApicTimer(clock, signals, OnTimer);
        _vectors = new ApicVectors(_registers);
        PowerOn();
    }

    /// <inheritdoc/>
    public uint Id { get; }

    /// <inheritdoc/>
    public bool HasInterrupt => _hasInterrupt;

    /// <inheritdoc/>
    public ulong ApicBase => (ulong)_base;

    /// <inheritdoc/>
    public byte TaskPriorityClass
    {
        get => (byte)(Volatile.Read(ref _registers[ApicRegister.TPR]) >> 4);
        set => WriteRegister(ApicRegister.TPR, (uint)(value & 15) << 4);
    }

    private bool IsX2Apic => (_base & ApicBaseBits.ModeMask) == ApicBaseBits.ModeMask;

    private bool IsHardwareEnabled => (_base & ApicBaseBits.EN) != 0;

    private bool IsSoftwareEnabled => IsHardwareEnabled && ((SvrBits)_registers[ApicRegister.SVR] & SvrBits.SoftwareEnable) != 0;

    private LvtEntry Lint0 => new(_registers[ApicRegister.LVT_LINT0]);

    private bool AcceptsExternal => _lint0 && (!IsHardwareEnabled || (!Lint0.IsMasked && Lint0.Mode == ApicDeliveryMode.ExtINT));

    /// <summary>The state after power-on, IA32_APIC_BASE included.</summary>
    public void PowerOn()
    {
        lock (_gate)
        {
            _base = (ApicBaseBits)DefaultBase | ApicBaseBits.EN | (_isBootProcessor ? ApicBaseBits.BSP : 0);
            ResetRegisters();
        }
    }

    /// <inheritdoc/>
    public void Init()
    {
        lock (_gate) ResetRegisters();
    }

    /// <inheritdoc/>
    public bool TryAcknowledge(out byte vector)
    {
        bool external;
        lock (_gate) external = AcceptsExternal;
        if (external && _bus.TryAcknowledgeExternal(out vector)) return true;
        lock (_gate)
        {
            vector = 0;
            if (!IsHardwareEnabled || !_vectors.TryTake(out vector)) return false;
            Refresh();
            return true;
        }
    }

    /// <inheritdoc/>
    public bool TrySetApicBase(ulong value)
    {
        ApicBaseBits wanted = (ApicBaseBits)value;
        if ((wanted & ~ApicBaseBits.Writable) != 0) return false;
        lock (_gate)
        {
            bool enabled = (wanted & ApicBaseBits.EN) != 0, extended = (wanted & ApicBaseBits.EXTD) != 0;
            if (extended && (!enabled || !IsHardwareEnabled)) return false;
            if (!extended && enabled && IsX2Apic) return false;
            bool wasX2Apic = IsX2Apic, wasEnabled = IsHardwareEnabled;
            _base = wanted;
            if (enabled != wasEnabled) ResetRegisters();
            else if (IsX2Apic && !wasX2Apic) SetIdentity();
            Refresh();
            return true;
        }
    }

    /// <inheritdoc/>
    public bool TryReadMsr(uint msr, out ulong value)
    {
        value = 0;
        lock (_gate)
        {
            if (msr == Msr.IA32_TSC_DEADLINE)
            {
                value = _timer.TscDeadline;
                return true;
            }

            int register = (int)(msr - Msr.X2APIC_FIRST);
            if (!IsX2Apic || !X2ApicAccess.CanRead(register)) return false;
            value = ReadLocked(register);
            if (register == ApicRegister.ICR) value |= (ulong)_registers[ApicRegister.ICR_HIGH] << 32;
            return true;
        }
    }

    /// <inheritdoc/>
    public bool TryWriteMsr(uint msr, ulong value)
    {
        if (msr == Msr.IA32_TSC_DEADLINE)
        {
            lock (_gate)
            {
                if (_timer.StartDeadline(value)) DeliverLocal(ApicRegister.LVT_TIMER);
            }

            return true;
        }

        int register = (int)(msr - Msr.X2APIC_FIRST);
        if (!IsX2Apic || !X2ApicAccess.CanWrite(register, value)) return false;
        if (register == ApicRegister.ICR) _registers[ApicRegister.ICR_HIGH] = (uint)(value >> 32);
        WriteRegister(register, (uint)value);
        return true;
    }

    /// <inheritdoc/>
    public void SaveRegisters(Span<byte> page)
    {
        lock (_gate)
        {
            page.Clear();
            for (int i = 0; i < ApicRegister.Count; i++)
                BinaryPrimitives.WriteUInt32LittleEndian(page[(i * RegisterStride)..], ReadLocked(i));
        }
    }

    /// <inheritdoc/>
    public void RestoreRegisters(ReadOnlySpan<byte> page, ulong apicBase, ulong tscDeadline)
    {
        if (page.Length < PageBytes) throw new StateException($"local APIC {Id}: {page.Length} bytes are not a register page");
        lock (_gate)
        {
            ResetRegisters();
            _base = (ApicBaseBits)apicBase & ApicBaseBits.Writable;
            for (int i = 0; i < ApicRegister.Count; i++)
                _registers[i] = BinaryPrimitives.ReadUInt32LittleEndian(page[(i * RegisterStride)..]);
            _registers[ApicRegister.VERSION] = VersionValue;
            if (IsX2Apic) SetIdentity();
            _timer.SetDivider(_registers[ApicRegister.TDCR]);
            _timer.SetMode(new LvtEntry(_registers[ApicRegister.LVT_TIMER]).TimerMode);
            _timer.Start(_registers[ApicRegister.TMICT], _registers[ApicRegister.TMCCT]);
            if (_timer.StartDeadline(tscDeadline)) DeliverLocal(ApicRegister.LVT_TIMER);
            Refresh();
        }
    }

    /// <summary>A load from the xAPIC page. False: the page does not answer (disabled, or in x2APIC mode).</summary>
    internal bool TryReadPage(int register, out uint value)
    {
        lock (_gate)
        {
            value = ReadLocked(register);
            return IsHardwareEnabled && !IsX2Apic;
        }
    }

    /// <summary>A store to the xAPIC page.</summary>
    internal bool TryWritePage(int register, uint value)
    {
        if (!IsHardwareEnabled || IsX2Apic) return false;
        if (register == ApicRegister.SELF_IPI) return true;
        WriteRegister(register, value);
        return true;
    }

    /// <summary>Whether a message is meant for this APIC (§11.6.2). Takes no lock.</summary>
    internal bool Matches(in ApicMessage message)
    {
        if (!IsHardwareEnabled) return false;
        if (message.IsBroadcast) return true;
        uint destination = message.Destination;
        if (!message.IsLogical) return destination == (IsX2Apic ? Id : Volatile.Read(ref _registers[ApicRegister.ID]) >> 24);
        uint ldr = Volatile.Read(ref _registers[ApicRegister.LDR]);
        if (IsX2Apic) return ldr >> 16 == destination >> 16 && (ldr & destination & 0xffff) != 0;
        ldr >>= 24;
        bool flat = Volatile.Read(ref _registers[ApicRegister.DFR]) >= DfrModelMask;
        return flat ? (ldr & destination & 0xff) != 0 : ldr >> 4 == destination >> 4 && (ldr & destination & 0xf) != 0;
    }

    /// <summary>For lowest-priority arbitration: -1 when it takes no interrupts, else its processor priority.</summary>
    internal int ArbitrationPriority()
    {
        lock (_gate) return IsSoftwareEnabled ? (int)_vectors.ProcessorPriority : -1;
    }

    /// <summary>Takes a message that matches. Any thread; the caller may hold the IOAPIC's or the 8259's lock.</summary>
    internal void Accept(in ApicMessage message)
    {
        if (!IsHardwareEnabled) return;
        switch (message.Mode)
        {
            case ApicDeliveryMode.Fixed or ApicDeliveryMode.LowestPriority:
                lock (_gate) Raise(message.Vector, message.IsLevel);
                break;
            case ApicDeliveryMode.NMI:
                _signals.Nmi();
                break;
            case ApicDeliveryMode.INIT:
                _signals.Init();
                break;
            case ApicDeliveryMode.StartUp:
                _signals.Sipi(message.Vector);
                break;
        }
    }

    /// <summary>Drives LINT0, where the 8259's INTR output hangs.</summary>
    /// <param name="asserted">Level.</param>
    /// <param name="isRestore">No edge.</param>
    internal void SetLint0(bool asserted, bool isRestore)
    {
        lock (_gate)
        {
            bool rising = asserted && !_lint0;
            _lint0 = asserted;
            if (rising && !isRestore && IsHardwareEnabled && Lint0.Mode != ApicDeliveryMode.ExtINT) DeliverLocal(ApicRegister.LVT_LINT0);
            Refresh();
        }
    }

    /// <summary>An edge on LINT1, the NMI button.</summary>
    internal void PulseLint1()
    {
        lock (_gate) DeliverLocal(ApicRegister.LVT_LINT1);
    }

    private uint ReadLocked(int register) => register switch
    {
        ApicRegister.PPR => _vectors.ProcessorPriority,
        ApicRegister.TMICT => _timer.InitialCount,
        ApicRegister.TMCCT => _timer.CurrentCount,
        ApicRegister.EOI or ApicRegister.SELF_IPI => 0,
        _ => _registers[register],
    };

    private void WriteRegister(int register, uint value)
    {
        switch (register)
        {
            case ApicRegister.EOI:
                EndInterrupt();
                break;
            case ApicRegister.ICR:
                WriteCommand(value);
                break;
            case ApicRegister.SELF_IPI:
                lock (_gate) Raise((byte)value, isLevel: false);
                break;
            default:
                lock (_gate) WriteLocked(register, value);
                break;
        }
    }

    private void WriteLocked(int register, uint value)
    {
        switch (register)
        {
            case ApicRegister.ID or ApicRegister.LDR or ApicRegister.ICR_HIGH:
                _registers[register] = value & XApicIdMask;
                break;
            case ApicRegister.DFR:
                _registers[register] = value | ~DfrModelMask;
                break;
            case ApicRegister.TPR:
                _registers[register] = (byte)value;
                Refresh();
                break;
            case ApicRegister.SVR:
                _registers[register] = value & (uint)SvrBits.Writable;
                if (!IsSoftwareEnabled) MaskAllLvts();
                Refresh();
                break;
            case ApicRegister.ESR:
                _registers[register] = (uint)_errors;
                _errors = EsrBits.None;
                break;
            case >= ApicRegister.LVT_TIMER and <= ApicRegister.LVT_ERROR:
                WriteLvt(register, value);
                break;
            case ApicRegister.TMICT:
                _timer.Start(value);
                break;
            case ApicRegister.TDCR:
                _registers[register] = value & TdcrMask;
                _timer.SetDivider(value);
                break;
        }
    }

    private void WriteLvt(int register, uint value)
    {
        value &= LvtEntry.Writable(register);
        _registers[register] = IsSoftwareEnabled ? value : value | LvtEntry.MASKED;
        if (register == ApicRegister.LVT_TIMER) _timer.SetMode(new LvtEntry(value).TimerMode);
        Refresh();
    }

    private void MaskAllLvts()
    {
        for (int i = ApicRegister.LVT_TIMER; i <= ApicRegister.LVT_ERROR; i++) _registers[i] |= LvtEntry.MASKED;
    }

    private void EndInterrupt()
    {
        bool tellIoApic;
        byte vector;
        lock (_gate)
        {
            if (!_vectors.TryEnd(out vector, out bool isLevel)) return;
            tellIoApic = isLevel && ((SvrBits)_registers[ApicRegister.SVR] & SvrBits.SuppressEoiBroadcast) == 0;
            Refresh();
        }

        if (tellIoApic) _bus.EndOfInterrupt(vector);
    }

    private void WriteCommand(uint value)
    {
        InterruptCommand command = new(value);
        uint high;
        bool wide;
        lock (_gate)
        {
            _registers[ApicRegister.ICR] = value & ~InterruptCommand.DeliveryStatus;
            high = _registers[ApicRegister.ICR_HIGH];
            wide = IsX2Apic;
            if (command.IsInitDeassert) return;
            if (command.Mode is ApicDeliveryMode.Fixed or ApicDeliveryMode.LowestPriority && command.Vector < FirstLegalVector)
            {
                RecordError(EsrBits.SendIllegalVector);
                return;
            }
        }

        ApicMessage message = new(wide ? high : high >> 24, command.IsLogical, wide, command.Mode, command.Vector, false);
        switch (command.Shorthand)
        {
            case DestinationShorthand.None:
                _bus.Send(message);
                break;
            case DestinationShorthand.Self:
                Accept(message);
                break;
            default:
                _bus.Broadcast(message, command.Shorthand == DestinationShorthand.AllExcludingSelf ? this : null);
                break;
        }
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            if (_timer.TakeExpiry()) DeliverLocal(ApicRegister.LVT_TIMER);
        }
    }

    private void DeliverLocal(int register)
    {
        LvtEntry entry = new(_registers[register]);
        if (entry.IsMasked || !IsHardwareEnabled) return;
        switch (entry.Mode)
        {
            case ApicDeliveryMode.Fixed:
                Raise(entry.Vector, isLevel: false);
                break;
            case ApicDeliveryMode.NMI:
                _signals.Nmi();
                break;
            case ApicDeliveryMode.INIT:
                _signals.Init();
                break;
        }
    }

    private void Raise(byte vector, bool isLevel)
    {
        if (!IsSoftwareEnabled) return;
        if (vector < FirstLegalVector)
        {
            RecordError(EsrBits.ReceiveIllegalVector);
            return;
        }

        _vectors.Request(vector, isLevel);
        Refresh();
    }

    private void RecordError(EsrBits error)
    {
        bool isNew = (_errors & error) == 0;
        _errors |= error;
        // An illegal vector in the error entry itself must not recurse.
        if (isNew && new LvtEntry(_registers[ApicRegister.LVT_ERROR]).Vector >= FirstLegalVector) DeliverLocal(ApicRegister.LVT_ERROR);
    }

    private void Refresh()
    {
        bool pending = AcceptsExternal || (IsHardwareEnabled && _vectors.HasDeliverable);
        _hasInterrupt = pending;
        if (pending) _signals.InterruptPending();
    }

    private void ResetRegisters()
    {
        Array.Clear(_registers);
        _errors = EsrBits.None;
        _registers[ApicRegister.VERSION] = VersionValue;
        _registers[ApicRegister.DFR] = uint.MaxValue;
        _registers[ApicRegister.SVR] = (uint)SvrBits.VectorMask;
        MaskAllLvts();
        if (_isBootProcessor) _registers[ApicRegister.LVT_LINT0] = LvtEntry.VirtualWire.Value;
        SetIdentity();
        _timer.Reset();
        Refresh();
    }

    private void SetIdentity()
    {
        if (IsX2Apic)
        {
            _registers[ApicRegister.ID] = Id;
            _registers[ApicRegister.LDR] = (Id >> 4) << 16 | 1u << (int)(Id & 15);
        }
        else
        {
            _registers[ApicRegister.ID] = Id << 24;
        }
    }
}
