namespace Vmm.Firmware.Acpi;

/// <summary>Fixed feature flags of the FADT (ACPI 6.5 table 5.10).</summary>
[Flags]
internal enum FadtFlags : uint
{
    WBINVD = 1 << 0,
    PROC_C1 = 1 << 2,

    /// <summary>Clear: the power button is a fixed feature.</summary>
    PWR_BUTTON = 1 << 4,

    /// <summary>Set: there is no fixed sleep button.</summary>
    SLP_BUTTON = 1 << 5,

    /// <summary>Set: the RTC cannot wake through the fixed registers.</summary>
    FIX_RTC = 1 << 6,
    TMR_VAL_EXT = 1 << 8,
    RESET_REG_SUP = 1 << 10,
}
