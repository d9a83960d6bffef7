namespace Vmm.Core.Memory;

/// <summary>One contiguous piece of guest-physical memory and the host mapping that stands behind it.</summary>
/// <param name="Start">First guest-physical address; page-aligned.</param>
/// <param name="SizeBytes">Length; a multiple of the page size, not zero.</param>
/// <param name="HostAddress">Where the host process has it mapped, for as long as the <see cref="GuestMemory"/> is in use.</param>
/// <param name="FileDescriptor">The memfd behind it, to share with a device-model process; -1 where there is none.</param>
/// <param name="FileOffset">Offset of the region in that file.</param>
/// <param name="IsReadOnly">True for ROM: the guest's writes are not carried out.</param>
/// <param name="IsDevice">True for memory that a device shows to its driver: it is not listed among the guest's RAM.</param>
public sealed record GuestMemoryRegion(
    GuestAddress Start, ulong SizeBytes, nint HostAddress, int FileDescriptor = -1, ulong FileOffset = 0, bool IsReadOnly = false, bool IsDevice = false)
{
    /// <summary>One past the last guest-physical address.</summary>
    public ulong End => Start.Value + SizeBytes;
}
