namespace Vmm.Devices.Chipset;

/// <summary>PM1 status and enable (ACPI 6.5 §4.8.3.1).</summary>
[Flags]
internal enum Pm1Event : ushort
{
    None = 0,
    TMR = 1 << 0,
    BM = 1 << 4,
    GBL = 1 << 5,
    PWRBTN = 1 << 8,
    SLPBTN = 1 << 9,
    RTC = 1 << 10,
    WAK = 1 << 15,
    CanEnable = TMR | GBL | PWRBTN | SLPBTN | RTC,
}

/// <summary>PM1 control (ACPI 6.5 §4.8.3.2).</summary>
[Flags]
internal enum Pm1Control : ushort
{
    SCI_EN = 1 << 0,
    BM_RLD = 1 << 1,
    SLP_TYP = 7 << 10,
    SLP_EN = 1 << 13,
    Kept = BM_RLD | SLP_TYP,
}

/// <summary>Reset control register of the PIIX and ICH south bridges, port 0xcf9.</summary>
[Flags]
internal enum ResetControlBits : byte
{
    SRST = 1 << 1,
    RCPU = 1 << 2,
    FULL_RST = 1 << 3,
    Kept = SRST | FULL_RST,
}
