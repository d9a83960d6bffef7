namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>A 32-bit word of feature bits: one register of one CPUID leaf.</summary>
public readonly record struct CpuidWord(uint Leaf, uint Subleaf, CpuidRegister Register)
{
    /// <summary>The word's value in a table.</summary>
    public uint In(CpuidTable table)
    {
        CpuidEntry entry = table.Lookup(Leaf, Subleaf);
        return Register switch
        {
            CpuidRegister.Eax => entry.Eax,
            CpuidRegister.Ebx => entry.Ebx,
            CpuidRegister.Ecx => entry.Ecx,
            _ => entry.Edx,
        };
    }
}
