namespace Vmm.Cpu.State;

/// <summary>MXCSR bits (Intel SDM vol. 1 §10.2.3).</summary>
internal static class Mxcsr
{
    public const uint IE = 1, DE = 2, ZE = 4, OE = 8, UE = 0x10, PE = 0x20, DAZ = 0x40, IM = 0x80, DM = 0x100, ZM = 0x200, OM = 0x400, UM = 0x800, PM = 0x1000,
        RC = 0x6000, FTZ = 0x8000;

    /// <summary>The six sticky exception flags.</summary>
    public const uint Flags = IE | DE | ZE | OE | UE | PE;

    /// <summary>Those that are found before the result is computed.</summary>
    public const uint Early = IE | DE | ZE;

    /// <summary>From a flag to its mask.</summary>
    public const int MaskShift = 7;

    public const int RoundingShift = 13;

    /// <summary>Values of RC.</summary>
    public const uint Nearest = 0, Down = 1, Up = 2, Chop = 3;

    /// <summary>All others are reserved; FXSAVE's MXCSR_MASK.</summary>
    public const uint Defined = 0xffff;

    /// <summary>After reset.</summary>
    public const uint Default = IM | DM | ZM | OM | UM | PM;
}
