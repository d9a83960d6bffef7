namespace Vmm.Core.Bus;

/// <summary>
/// Something that answers port or memory accesses. The bus calls it under the device's own lock, from any vCPU thread, with 1, 2, 4
/// or 8 bytes (MMIO) or 1, 2 or 4 (ports). A device never throws for what the guest does and never blocks.
/// </summary>
public interface IBusDevice
{
    /// <summary>Fills all of <paramref name="data"/>, little endian, or says why not.</summary>
    BusResult Read(in BusAccess access, Span<byte> data);

    /// <summary>Takes all of <paramref name="data"/>, little endian, or says why not.</summary>
    BusResult Write(in BusAccess access, ReadOnlySpan<byte> data);
}
