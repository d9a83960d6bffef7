using Vmm.Core.Hypervisor;
using Vmm.Cpu.State;

namespace Vmm.Cpu.Execute;

/// <summary>RDMSR and WRMSR. What is not listed is #GP, which kernels expect and survive.</summary>
internal static unsafe class ModelRegisters
{
    private const uint AMD_MC4_MISC0 = 0x413, AMD_PATCH_LEVEL = Msr.IA32_BIOS_SIGN_ID, AMD_SYSCFG = 0xc0010010, AMD_HWCR = 0xc0010015, AMD_DE_CFG = 0xc0011029,
        IA32_PLATFORM_ID = 0x17, MTRR_FIRST = 0x200, MTRR_LAST = 0x2ff, IA32_MCG_CAP = 0x179, IA32_MCG_STATUS = 0x17a,
        AMD_INT_PENDING = 0xc0010055;

    public static bool TryRead(Cpu cpu, uint index, out ulong value)
    {
        CpuState* s = cpu.S;
        switch (index)
        {
            case Msr.IA32_TSC: value = cpu.ReadTsc(); return true;
            case Msr.IA32_TSC_ADJUST: value = s->TscAdjust; return true;
            case Msr.IA32_APIC_BASE: value = cpu.Apic?.ApicBase ?? 0; return cpu.Apic is not null;
            case Msr.IA32_SYSENTER_CS: value = s->SysenterCs; return true;
            case Msr.IA32_SYSENTER_ESP: value = s->SysenterEsp; return true;
            case Msr.IA32_SYSENTER_EIP: value = s->SysenterEip; return true;
            case Msr.IA32_MISC_ENABLE: value = s->MiscEnable; return true;
            case Msr.IA32_PAT: value = s->Pat; return true;
            case Msr.EFER: value = s->Efer; return true;
            case Msr.STAR: value = s->Star; return true;
            case Msr.LSTAR: value = s->Lstar; return true;
            case Msr.CSTAR: value = s->Cstar; return true;
            case Msr.SFMASK: value = s->Sfmask; return true;
            case Msr.FS_BASE: value = s->R[Reg.FsBase]; return true;
            case Msr.GS_BASE: value = s->R[Reg.GsBase]; return true;
            case Msr.KERNEL_GS_BASE: value = s->KernelGsBase; return true;
            case Msr.TSC_AUX: value = s->TscAux; return cpu.Features.Rdtscp;
            case Msr.KVM_SYSTEM_TIME_NEW: value = s->KvmSystemTime; return true;
            case Msr.KVM_WALL_CLOCK_NEW: value = s->KvmWallClock; return true;
            case AMD_DE_CFG:
                // LFENCE is serialising.
                value = 2;
                return true;
            // AMD_INT_PENDING: no C1E, so that the local APIC timer never stops.
            case AMD_PATCH_LEVEL or AMD_SYSCFG or AMD_HWCR or AMD_INT_PENDING or IA32_PLATFORM_ID or AMD_MC4_MISC0 or IA32_MCG_CAP or IA32_MCG_STATUS:
                value = 0;
                return true;
            case Msr.IA32_TSC_DEADLINE or (>= Msr.X2APIC_FIRST and <= Msr.X2APIC_LAST):
                value = 0;
                return cpu.Apic is not null && cpu.Apic.TryReadMsr(index, out value);
            default:
                value = 0;
                return false;
        }
    }

    public static bool TryWrite(Cpu cpu, uint index, ulong value)
    {
        CpuState* s = cpu.S;
        switch (index)
        {
            case Msr.IA32_TSC:
                ulong old = s->TscOffset;
                s->TscOffset = unchecked(s->TscOffset + value - cpu.ReadTsc());
                s->TscAdjust = unchecked(s->TscAdjust + s->TscOffset - old);
                return true;
            case Msr.IA32_TSC_ADJUST:
                s->TscOffset = unchecked(s->TscOffset + value - s->TscAdjust);
                s->TscAdjust = value;
                return true;
            case Msr.IA32_APIC_BASE: return cpu.Apic is not null && cpu.Apic.TrySetApicBase(value);
            case Msr.IA32_SYSENTER_CS: s->SysenterCs = value & 0xffff; return true;
            case Msr.IA32_SYSENTER_ESP: s->SysenterEsp = value; return IsCanonical(value);
            case Msr.IA32_SYSENTER_EIP: s->SysenterEip = value; return IsCanonical(value);
            case Msr.IA32_MISC_ENABLE: s->MiscEnable = value; return true;
            case Msr.IA32_PAT:
                if (!IsPat(value)) return false;
                s->Pat = value;
                return true;
            case Msr.EFER: return SetEfer(cpu, value);
            case Msr.STAR: s->Star = value; return true;
            case Msr.LSTAR:
                if (!IsCanonical(value)) return false;
                s->Lstar = value;
                return true;
            case Msr.CSTAR:
                if (!IsCanonical(value)) return false;
                s->Cstar = value;
                return true;
            case Msr.SFMASK: s->Sfmask = (uint)value; return true;
            case Msr.FS_BASE:
                if (!IsCanonical(value)) return false;
                s->R[Reg.FsBase] = value;
                return true;
            case Msr.GS_BASE:
                if (!IsCanonical(value)) return false;
                s->R[Reg.GsBase] = value;
                return true;
            case Msr.KERNEL_GS_BASE:
                if (!IsCanonical(value)) return false;
                s->KernelGsBase = value;
                return true;
            case Msr.TSC_AUX:
                s->TscAux = (uint)value;
                return cpu.Features.Rdtscp && value >> 32 == 0;
            case Msr.KVM_SYSTEM_TIME_NEW: return KvmClock.SetSystemTime(cpu, value);
            case Msr.KVM_WALL_CLOCK_NEW: return KvmClock.SetWallClock(cpu, value);
            case AMD_PATCH_LEVEL or AMD_SYSCFG or AMD_HWCR or AMD_DE_CFG or IA32_MCG_STATUS: return true;
            case Msr.IA32_TSC_DEADLINE or (>= Msr.X2APIC_FIRST and <= Msr.X2APIC_LAST):
                return cpu.Apic is not null && cpu.Apic.TryWriteMsr(index, value);
            default:
                return false;
        }
    }

    private static bool IsCanonical(ulong value) => (long)(value << 16) >> 16 == (long)value;

    // Memory types 0, 1, 4, 5, 6 and 7 only.
    private static bool IsPat(ulong value)
    {
        for (int i = 0; i < 8; i++)
        {
            if ((byte)(value >> (i * 8)) is 2 or 3 or > 7) return false;
        }

        return true;
    }

    private static bool SetEfer(Cpu cpu, ulong value)
    {
        CpuState* s = cpu.S;
        ulong allowed = Efer.SCE | Efer.LME | Efer.LMA | Efer.FFXSR;
        if (cpu.Features.Nx) allowed |= Efer.NXE;
        // Automatic IBRS keeps a processor from guessing; this one never does (AMD APM vol. 2 §3.1.7).
        if (cpu.Features.AutoIbrs) allowed |= Efer.AIBRSE;
        if ((value & ~allowed) != 0) return false;
        if ((s->Cr0 & Cr0.PG) != 0 && ((value ^ s->Efer) & Efer.LME) != 0) return false;
        value = (value & ~Efer.LMA) | (s->Efer & Efer.LMA);
        bool nx = ((s->Efer ^ value) & Efer.NXE) != 0;
        s->Efer = value;
        if (nx) cpu.FlushTranslations(keepGlobal: false);
        return true;
    }
}
