namespace Vmm.Core.Hypervisor.Cpuid;

/// <summary>A named CPU feature and the CPUID bit that shows it.</summary>
/// <param name="Name">Lower case, as Linux and QEMU spell it.</param>
/// <param name="Word">Where it stands.</param>
/// <param name="Bit">0 to 31.</param>
public readonly record struct CpuFeature(string Name, CpuidWord Word, int Bit)
{
    /// <summary>The bit as a mask.</summary>
    public uint Mask => 1u << Bit;

    /// <summary>True when the table shows the feature.</summary>
    public bool IsIn(CpuidTable table) => (Word.In(table) & Mask) != 0;

    /// <inheritdoc/>
    public override string ToString() => Name;
}
