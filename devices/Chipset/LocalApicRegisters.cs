namespace Vmm.Devices.Chipset;

/// <summary>Register numbers: the MMIO offset divided by 16, and the MSR less 0x800 (Intel SDM vol. 3 table 11-1 and table 11-6).</summary>
internal static class ApicRegister
{
    public const int ID = 0x02;
    public const int VERSION = 0x03;
    public const int TPR = 0x08;
    public const int APR = 0x09;
    public const int PPR = 0x0a;
    public const int EOI = 0x0b;
    public const int RRD = 0x0c;
    public const int LDR = 0x0d;
    public const int DFR = 0x0e;
    public const int SVR = 0x0f;
    public const int ISR = 0x10;
    public const int TMR = 0x18;
    public const int IRR = 0x20;
    public const int IRR_LAST = 0x27;
    public const int ESR = 0x28;
    public const int ICR = 0x30;
    public const int ICR_HIGH = 0x31;
    public const int LVT_TIMER = 0x32;
    public const int LVT_THERMAL = 0x33;
    public const int LVT_PERF = 0x34;
    public const int LVT_LINT0 = 0x35;
    public const int LVT_LINT1 = 0x36;
    public const int LVT_ERROR = 0x37;
    public const int TMICT = 0x38;
    public const int TMCCT = 0x39;
    public const int TDCR = 0x3e;
    public const int SELF_IPI = 0x3f;
    public const int Count = 0x40;
}

/// <summary>IA32_APIC_BASE (Intel SDM vol. 3 §11.4.4).</summary>
[Flags]
internal enum ApicBaseBits : ulong
{
    BSP = 1 << 8,
    EXTD = 1 << 10,
    EN = 1 << 11,
    ModeMask = EN | EXTD,
    AddressMask = 0xfffff_ffff_f000,
    Writable = BSP | EXTD | EN | AddressMask,
}

/// <summary>Spurious interrupt vector register (§11.9).</summary>
[Flags]
internal enum SvrBits : uint
{
    VectorMask = 0xff,
    SoftwareEnable = 1 << 8,
    FocusDisable = 1 << 9,
    SuppressEoiBroadcast = 1 << 12,
    Writable = VectorMask | SoftwareEnable | FocusDisable | SuppressEoiBroadcast,
}

/// <summary>Error status register (§11.5.3).</summary>
[Flags]
internal enum EsrBits : uint
{
    None = 0,
    SendIllegalVector = 1 << 5,
    ReceiveIllegalVector = 1 << 6,
    IllegalRegister = 1 << 7,
}

/// <summary>The timer's mode (§11.5.4, LVT bits 18:17).</summary>
internal enum ApicTimerMode : byte
{
    OneShot = 0,
    Periodic = 1,
    TscDeadline = 2,
    Reserved = 3,
}

/// <summary>A local vector table entry (§11.5.1).</summary>
internal readonly record struct LvtEntry(uint Value)
{
    public const uint MASKED = 1 << 16;
    private const uint VectorBits = 0xff;
    private const uint ModeBits = 7 << 8;
    private const uint PinBits = 1 << 13 | 1 << 15;
    private const uint TimerModeBits = 3 << 17;

    public byte Vector => (byte)Value;
    public bool IsMasked => (Value & MASKED) != 0;
    public ApicDeliveryMode Mode => (ApicDeliveryMode)((Value & ModeBits) >> 8);
    public ApicTimerMode TimerMode => (ApicTimerMode)((Value & TimerModeBits) >> 17);

    /// <summary>The bits software may set in each entry.</summary>
    public static uint Writable(int register) => VectorBits | MASKED | register switch
    {
        ApicRegister.LVT_TIMER => TimerModeBits,
        ApicRegister.LVT_THERMAL or ApicRegister.LVT_PERF => ModeBits,
        ApicRegister.LVT_LINT0 or ApicRegister.LVT_LINT1 => ModeBits | PinBits,
        _ => 0,
    };

    /// <summary>LINT0 as the firmware leaves it on the boot processor: virtual wire, the 8259 straight through (§11.5.1).</summary>
    public static LvtEntry VirtualWire => new((uint)ApicDeliveryMode.ExtINT << 8);
}

/// <summary>The low half of the interrupt command register (§11.6.1).</summary>
internal readonly record struct InterruptCommand(uint Value)
{
    public const uint DeliveryStatus = 1 << 12;
    private const uint Logical = 1 << 11;
    private const uint Assert = 1 << 14;
    private const uint LevelTrigger = 1 << 15;

    public byte Vector => (byte)Value;
    public ApicDeliveryMode Mode => (ApicDeliveryMode)((Value >> 8) & 7);
    public bool IsLogical => (Value & Logical) != 0;
    public DestinationShorthand Shorthand => (DestinationShorthand)((Value >> 18) & 3);

    /// <summary>INIT level de-assert: once synchronised arbitration ids, today without effect.</summary>
    public bool IsInitDeassert => Mode == ApicDeliveryMode.INIT && (Value & LevelTrigger) != 0 && (Value & Assert) == 0;
}

/// <summary>ICR bits 19:18.</summary>
internal enum DestinationShorthand : byte
{
    None = 0,
    Self = 1,
    AllIncludingSelf = 2,
    AllExcludingSelf = 3,
}
