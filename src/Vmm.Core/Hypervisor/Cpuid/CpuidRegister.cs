namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>One of the four registers in which CPUID answers.</summary>
public enum CpuidRegister : byte
{
    Eax,
    Ebx,
    Ecx,
    Edx,
}
