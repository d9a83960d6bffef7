namespace Vmm.Machine.CoreDump;

/// <summary>A piece of memory in a core file: a PT_LOAD entry.</summary>
/// <param name="VirtualAddress">Where debuggers find it.</param>
/// <param name="PhysicalAddress">Guest-physical address.</param>
/// <param name="SizeBytes">Length.</param>
internal readonly record struct CoreSegment(ulong VirtualAddress, ulong PhysicalAddress, ulong SizeBytes)
{
    /// <summary>Whether what follows in both address spaces is <paramref name="next"/>.</summary>
    public bool IsFollowedBy(CoreSegment next)
        => VirtualAddress + SizeBytes == next.VirtualAddress && PhysicalAddress + SizeBytes == next.PhysicalAddress;
}
