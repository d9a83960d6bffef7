namespace Vmm.Firmware.Acpi;

/// <summary>The fixed ACPI description table (ACPI 6.5 §5.2.9), with fixed hardware, always in ACPI mode.</summary>
internal static class Fadt
{
    private const byte Revision = 6;
    private const int SizeBytes = 276;
    private const byte EnterpriseServer = 4;
    private const ushort LatencyNotSupported = 0xfff;
    private const byte CmosCentury = 0x32;
    private const byte EventBytes = 4;
    private const byte ControlBytes = 2;
    private const byte TimerBytes = 4;
    private const byte Gpe0Bytes = 4;
    private const byte SystemIo = 1;

    private const int FIRMWARE_CTRL = 36;
    private const int DSDT = 40;
    private const int PREFERRED_PM_PROFILE = 45;
    private const int SCI_INT = 46;
    private const int PM1a_EVT_BLK = 56;
    private const int PM1a_CNT_BLK = 64;
    private const int PM_TMR_BLK = 76;
    private const int GPE0_BLK = 80;
    private const int PM1_EVT_LEN = 88;
    private const int PM1_CNT_LEN = 89;
    private const int PM_TMR_LEN = 91;
    private const int GPE0_BLK_LEN = 92;
    private const int P_LVL2_LAT = 96;
    private const int P_LVL3_LAT = 98;
    private const int CENTURY = 108;
    private const int IAPC_BOOT_ARCH = 109;
    private const int FLAGS = 112;
    private const int RESET_REG = 116;
    private const int RESET_VALUE = 128;
    private const int X_DSDT = 140;
    private const int X_PM1a_EVT_BLK = 148;
    private const int X_PM1a_CNT_BLK = 172;
    private const int X_PM_TMR_BLK = 208;
    private const int X_GPE0_BLK = 220;

    public static byte[] Build(AcpiOptions options, uint facs, uint dsdt)
    {
        AcpiTable table = new("FACP", Revision, SizeBytes);
        table.Set(FIRMWARE_CTRL, facs);
        table.Set(DSDT, dsdt);
        table.Set(X_DSDT, (ulong)dsdt);
        table.Set(PREFERRED_PM_PROFILE, EnterpriseServer);
        table.Set(SCI_INT, (ushort)options.SciGsi);
        table.Set(PM1a_EVT_BLK, (uint)options.Pm1EventPort);
        table.Set(PM1a_CNT_BLK, (uint)options.Pm1ControlPort);
        table.Set(PM_TMR_BLK, (uint)options.PmTimerPort);
        table.Set(PM1_EVT_LEN, EventBytes);
        table.Set(PM1_CNT_LEN, ControlBytes);
        table.Set(PM_TMR_LEN, TimerBytes);
        table.Set(P_LVL2_LAT, LatencyNotSupported);
        table.Set(P_LVL3_LAT, LatencyNotSupported);
        if (options.HasRtc) table.Set(CENTURY, CmosCentury);
        table.Set(IAPC_BOOT_ARCH, (ushort)Architecture(options));
        table.Set(FLAGS, (uint)(FadtFlags.WBINVD | FadtFlags.PROC_C1 | FadtFlags.SLP_BUTTON | FadtFlags.FIX_RTC
            | FadtFlags.TMR_VAL_EXT | FadtFlags.RESET_REG_SUP));
        SetRegister(table, RESET_REG, options.ResetPort, 1);
        table.Set(RESET_VALUE, options.ResetValue);
        SetRegister(table, X_PM1a_EVT_BLK, options.Pm1EventPort, EventBytes, ControlBytes);
        SetRegister(table, X_PM1a_CNT_BLK, options.Pm1ControlPort, ControlBytes);
        SetRegister(table, X_PM_TMR_BLK, options.PmTimerPort, TimerBytes);
        if (options.Gpe0Port is { } gpe0)
        {
            table.Set(GPE0_BLK, (uint)gpe0);
            table.Set(GPE0_BLK_LEN, Gpe0Bytes);
            SetRegister(table, X_GPE0_BLK, gpe0, Gpe0Bytes, accessBytes: 1);
        }

        return table.Close();
    }

    private static BootArchitecture Architecture(AcpiOptions options)
    {
        BootArchitecture flags = 0;
        if (options.SerialPorts.Count != 0 || options.HasKeyboardController) flags |= BootArchitecture.LEGACY_DEVICES;
        if (options.HasKeyboardController) flags |= BootArchitecture.I8042;
        if (!options.HasVga) flags |= BootArchitecture.VGA_NOT_PRESENT;
        if (!options.HasRtc) flags |= BootArchitecture.CMOS_RTC_NOT_PRESENT;
        return flags;
    }

    /// <summary>A generic address structure (§5.2.3.2) in I/O space.</summary>
    private static void SetRegister(AcpiTable table, int at, ushort port, byte sizeBytes, byte accessBytes = 0)
    {
        byte access = accessBytes == 0 ? sizeBytes : accessBytes;
        table.Set(at, SystemIo);
        table.Set(at + 1, (byte)(sizeBytes * 8));
        // Access size: 1 is a byte, 2 a word, 3 a double word.
        table.Set(at + 3, (byte)(System.Numerics.BitOperations.Log2(access) + 1));
        table.Set(at + 4, (ulong)port);
    }
}
