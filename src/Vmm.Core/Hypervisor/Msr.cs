namespace Vmm.Core.Hypervisor;

/// <summary>Numbers of the model-specific registers (Intel SDM vol. 4, AMD APM vol. 2 app. A, Linux Documentation/virt/kvm/x86/msr.rst).</summary>
public static class Msr
{
    public const uint IA32_TSC = 0x10;
    public const uint IA32_APIC_BASE = 0x1b;
    public const uint IA32_TSC_ADJUST = 0x3b;
    public const uint IA32_BIOS_SIGN_ID = 0x8b;
    public const uint IA32_MTRRCAP = 0xfe;
    public const uint IA32_SYSENTER_CS = 0x174;
    public const uint IA32_SYSENTER_ESP = 0x175;
    public const uint IA32_SYSENTER_EIP = 0x176;
    public const uint IA32_MISC_ENABLE = 0x1a0;
    public const uint IA32_PAT = 0x277;
    public const uint IA32_TSC_DEADLINE = 0x6e0;
    public const uint X2APIC_FIRST = 0x800;
    public const uint X2APIC_LAST = 0x8ff;
    public const uint EFER = 0xc0000080;
    public const uint STAR = 0xc0000081;
    public const uint LSTAR = 0xc0000082;
    public const uint CSTAR = 0xc0000083;
    public const uint SFMASK = 0xc0000084;
    public const uint FS_BASE = 0xc0000100;
    public const uint GS_BASE = 0xc0000101;
    public const uint KERNEL_GS_BASE = 0xc0000102;
    public const uint TSC_AUX = 0xc0000103;
    public const uint KVM_WALL_CLOCK_NEW = 0x4b564d00;
    public const uint KVM_SYSTEM_TIME_NEW = 0x4b564d01;
}
