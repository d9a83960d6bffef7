namespace Vmm.Devices.Chipset;

/// <summary>The control word at port 0x43 (Intel 8254 datasheet, "Control Word Format").</summary>
internal readonly record struct PitControlWord(byte Value)
{
    /// <summary>Counter number; 3 is the read-back command.</summary>
    public int Select => Value >> 6;
    public PitAccess Access => (PitAccess)((Value >> 4) & 3);

    /// <summary>Modes 6 and 7 are 2 and 3 again.</summary>
    public byte Mode => (byte)(((Value >> 1) & 7) is 6 or 7 ? ((Value >> 1) & 3) : (Value >> 1) & 7);
    public bool IsBcd => (Value & 1) != 0;

    /// <summary>Read-back: active-low COUNT and STATUS, and a bit for each counter.</summary>
    public bool LatchesCount => (Value & (1 << 5)) == 0;
    public bool LatchesStatus => (Value & (1 << 4)) == 0;
    public bool Names(int counter) => (Value & (1 << (counter + 1))) != 0;
}

/// <summary>RW1 and RW0.</summary>
internal enum PitAccess : byte
{
    Latch = 0,
    Low = 1,
    High = 2,
    LowThenHigh = 3,
}

/// <summary>The status byte of the read-back command.</summary>
[Flags]
internal enum PitStatus : byte
{
    NullCount = 1 << 6,
    Output = 1 << 7,
}

/// <summary>System control port B, 0x61 (IBM PC/AT technical reference).</summary>
[Flags]
internal enum PortB : byte
{
    TIM2_GATE = 1 << 0,
    SPKR_DATA = 1 << 1,
    PARITY_CHECK_DISABLE = 1 << 2,
    IOCHK_DISABLE = 1 << 3,
    REFRESH = 1 << 4,
    TIM2_OUT = 1 << 5,
    Writable = TIM2_GATE | SPKR_DATA | PARITY_CHECK_DISABLE | IOCHK_DISABLE,
}
