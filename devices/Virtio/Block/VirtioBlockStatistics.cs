namespace Vmm.Devices.Virtio.Block;

/// <summary>What a disk has done since it was made. Failed requests count as errors only.</summary>
/// <param name="Reads">Reads.</param>
/// <param name="Writes">Writes.</param>
/// <param name="ReadBytes">Bytes that were read.</param>
/// <param name="WrittenBytes">Bytes that were written.</param>
/// <param name="Flushes">Flushes.</param>
/// <param name="Discards">Ranges that were discarded.</param>
/// <param name="ZeroedRanges">Ranges that were made zeros.</param>
/// <param name="Errors">Requests that failed.</param>
public readonly record struct VirtioBlockStatistics(ulong Reads, ulong Writes, ulong ReadBytes, ulong WrittenBytes, ulong Flushes, ulong Discards, ulong ZeroedRanges, ulong Errors)
{
    public static VirtioBlockStatistics operator +(VirtioBlockStatistics a, VirtioBlockStatistics b) => new(a.Reads + b.Reads, a.Writes + b.Writes, a.ReadBytes + b.ReadBytes,
        a.WrittenBytes + b.WrittenBytes, a.Flushes + b.Flushes, a.Discards + b.Discards, a.ZeroedRanges + b.ZeroedRanges, a.Errors + b.Errors);
}
