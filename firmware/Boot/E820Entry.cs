using Vmm.Core.Memory;

namespace Vmm.Firmware.Boot;

/// <summary>One range of the memory map; not empty.</summary>
public readonly record struct E820Entry(GuestAddress Start, ulong SizeBytes, E820Type Type)
{
    /// <summary>One past the last address.</summary>
    public ulong End => Start.Value + SizeBytes;
}
