namespace Vmm.Devices.Legacy;

/// <summary>Port offsets (National Semiconductor PC16550D, table II). 0 and 1 are the divisor latch while LCR.DLAB is set.</summary>
internal static class UartRegister
{
    public const int RBR_THR = 0;
    public const int IER = 1;
    public const int IIR_FCR = 2;
    public const int LCR = 3;
    public const int MCR = 4;
    public const int LSR = 5;
    public const int MSR = 6;
    public const int SCR = 7;
}

/// <summary>Interrupt enable register.</summary>
[Flags]
internal enum Ier : byte
{
    ERBFI = 1 << 0,
    ETBEI = 1 << 1,
    ELSI = 1 << 2,
    EDSSI = 1 << 3,
    Writable = ERBFI | ETBEI | ELSI | EDSSI,
}

/// <summary>Interrupt identification register.</summary>
[Flags]
internal enum Iir : byte
{
    ModemStatus = 0x00,
    NoInterrupt = 0x01,
    TransmitterEmpty = 0x02,
    ReceivedData = 0x04,
    LineStatus = 0x06,
    CharacterTimeout = 0x0c,
    FifosEnabled = 0xc0,
}

/// <summary>FIFO control register.</summary>
[Flags]
internal enum Fcr : byte
{
    Enable = 1 << 0,
    ResetReceiver = 1 << 1,
    ResetTransmitter = 1 << 2,
    DmaMode = 1 << 3,
    TriggerMask = 3 << 6,
    Kept = Enable | DmaMode | TriggerMask,
}

/// <summary>Line control register.</summary>
[Flags]
internal enum Lcr : byte
{
    WordLengthMask = 3,
    STB = 1 << 2,
    PEN = 1 << 3,
    SBRK = 1 << 6,
    DLAB = 1 << 7,
}

/// <summary>Modem control register.</summary>
[Flags]
internal enum Mcr : byte
{
    DTR = 1 << 0,
    RTS = 1 << 1,
    OUT1 = 1 << 2,
    OUT2 = 1 << 3,
    LOOP = 1 << 4,
    Writable = DTR | RTS | OUT1 | OUT2 | LOOP,
}

/// <summary>Line status register.</summary>
[Flags]
internal enum Lsr : byte
{
    DR = 1 << 0,
    OE = 1 << 1,
    PE = 1 << 2,
    FE = 1 << 3,
    BI = 1 << 4,
    THRE = 1 << 5,
    TEMT = 1 << 6,

    /// <summary>An error somewhere in the receiver FIFO.</summary>
    FIFOE = 1 << 7,
    Errors = OE | PE | FE | BI,
}

/// <summary>Modem status register.</summary>
[Flags]
internal enum Msr : byte
{
    DCTS = 1 << 0,
    DDSR = 1 << 1,
    TERI = 1 << 2,
    DDCD = 1 << 3,
    CTS = 1 << 4,
    DSR = 1 << 5,
    RI = 1 << 6,
    DCD = 1 << 7,
    Deltas = DCTS | DDSR | TERI | DDCD,
    Connected = CTS | DSR | DCD,
}
