namespace Vmm.Devices.Chipset;

/// <summary>Offsets of the window registers in the MMIO page (82093AA §3.1; EOI: version 0x20).</summary>
internal static class IoApicWindow
{
    public const ulong IOREGSEL = 0x00;
    public const ulong IOWIN = 0x10;
    public const ulong EOIR = 0x40;
}

/// <summary>Indirect registers (82093AA §3.2).</summary>
internal static class IoApicRegister
{
    public const byte IOAPICID = 0x00;
    public const byte IOAPICVER = 0x01;
    public const byte IOAPICARB = 0x02;
    public const byte IOREDTBL = 0x10;
    public const uint IdMask = 0x0f000000;
}

/// <summary>A redirection table entry (82093AA §3.2.4).</summary>
internal readonly record struct IoApicEntry(ulong Value)
{
    public const ulong RIRR = 1 << 14;
    private const ulong DELIVS = 1 << 12;
    private const ulong DESTMOD = 1 << 11;
    private const ulong TRIGGER = 1 << 15;
    private const ulong MASK = 1 << 16;
    private const int DestinationShift = 56;
    private const ulong ReadOnly = RIRR | DELIVS;
    private const ulong Writable = 0xff00_0000_0001_afff;

    /// <summary>Masked, all else zero: the state after reset.</summary>
    public static IoApicEntry Reset => new(MASK);

    public byte Vector => (byte)Value;
    public ApicDeliveryMode Mode => (ApicDeliveryMode)((Value >> 8) & 7);
    public bool IsLogical => (Value & DESTMOD) != 0;
    public bool RemoteIrr => (Value & RIRR) != 0;
    public bool IsLevel => (Value & TRIGGER) != 0;
    public bool IsMasked => (Value & MASK) != 0;
    public byte Destination => (byte)(Value >> DestinationShift);

    public IoApicEntry WithRemoteIrr(bool set) => new(set ? Value | RIRR : Value & ~RIRR);

    /// <summary>What a write leaves: read-only bits stay, and an edge-triggered entry has no remote IRR.</summary>
    public IoApicEntry Written(ulong value)
    {
        IoApicEntry result = new((value & Writable & ~ReadOnly) | (Value & ReadOnly));
        return result.IsLevel ? result : result.WithRemoteIrr(false);
    }
}
