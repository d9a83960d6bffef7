namespace Vmm.Devices.Chipset;

/// <summary>ICW1 and the bits that tell command words apart (8259A datasheet, "Initialization Command Words").</summary>
[Flags]
internal enum Icw1 : byte
{
    IC4 = 1 << 0,
    SNGL = 1 << 1,
    LTIM = 1 << 3,
    Icw1Select = 1 << 4,
}

/// <summary>ICW4.</summary>
[Flags]
internal enum Icw4 : byte
{
    UPM = 1 << 0,
    AEOI = 1 << 1,
    SFNM = 1 << 4,
}

/// <summary>OCW3, written to the even port with bit 3 set.</summary>
[Flags]
internal enum Ocw3 : byte
{
    RIS = 1 << 0,
    RR = 1 << 1,
    P = 1 << 2,
    Ocw3Select = 1 << 3,
    SMM = 1 << 5,
    ESMM = 1 << 6,
}

/// <summary>OCW2 bits 7:5: R, SL, EOI.</summary>
internal enum Ocw2 : byte
{
    RotateInAutoEoiClear = 0,
    NonSpecificEoi = 1,
    NoOperation = 2,
    SpecificEoi = 3,
    RotateInAutoEoiSet = 4,
    RotateOnNonSpecificEoi = 5,
    SetPriority = 6,
    RotateOnSpecificEoi = 7,
}

/// <summary>Which command word the odd port expects.</summary>
internal enum PicInitStep : byte
{
    Done,
    Icw2,
    Icw3,
    Icw4,

    /// <summary>After power-on: no interrupt leaves the chip before its first ICW1.</summary>
    Icw1,
}
