namespace Vmm.Cpu.Mmu;

/// <summary>What a page walk found.</summary>
internal struct Translation
{
    public ulong Physical;

    /// <summary>The access mode that asked may write without another walk (permission and dirty bit).</summary>
    public bool Writable;

    /// <summary>It may fetch instructions.</summary>
    public bool Executable;
    public bool Global;

    /// <summary>Part of a page larger than 4 KiB.</summary>
    public bool Large;
}
