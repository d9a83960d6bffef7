namespace Vmm.Devices.Chipset;

/// <summary>Which x2APIC MSRs can be read and written; every other access is #GP (Intel SDM vol. 3 table 11-6).</summary>
internal static class X2ApicAccess
{
    public static bool CanRead(int register) => register is
        ApicRegister.ID or ApicRegister.VERSION or ApicRegister.TPR or ApicRegister.PPR or ApicRegister.LDR or ApicRegister.SVR
        or (>= ApicRegister.ISR and <= ApicRegister.IRR_LAST) or ApicRegister.ESR or ApicRegister.ICR
        or (>= ApicRegister.LVT_TIMER and <= ApicRegister.TMCCT) or ApicRegister.TDCR;

    public static bool CanWrite(int register, ulong value) => register switch
    {
        ApicRegister.ICR => true,
        ApicRegister.EOI or ApicRegister.ESR => value == 0,
        ApicRegister.TPR or ApicRegister.SELF_IPI => value <= byte.MaxValue,
        ApicRegister.SVR or (>= ApicRegister.LVT_TIMER and <= ApicRegister.TMICT) or ApicRegister.TDCR => value <= uint.MaxValue,
        _ => false,
    };
}
