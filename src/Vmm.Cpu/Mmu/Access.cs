namespace Vmm.Cpu.Mmu;

/// <summary>Kind of a memory access.</summary>
internal enum Access : byte
{
    Read,
    Write,
    Fetch,
}
