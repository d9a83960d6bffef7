namespace Vmm.Devices.Pci;

/// <summary>
/// An entry of the capabilities list. Offsets count from its first byte; the id and the link, the first two bytes, are the function's.
/// Accesses are of 1, 2 or 4 bytes within one aligned doubleword and come one at a time, with the bus held.
/// </summary>
public interface IPciCapability
{
    /// <summary>See <see cref="PciCapabilityId"/>.</summary>
    byte Id { get; }

    /// <summary>Bytes in configuration space, with the id and the link.</summary>
    int SizeBytes { get; }

    /// <summary>Names the function that has this capability, once, before the machine runs.</summary>
    void Attach(PciFunction function);

    /// <summary>Fills all of <paramref name="data"/>; what it says of the first two bytes is ignored.</summary>
    void Read(int offset, Span<byte> data);

    /// <summary>Takes a write; of the first two bytes it takes nothing.</summary>
    void Write(int offset, ReadOnlySpan<byte> data);

    /// <summary>The function's command register has changed.</summary>
    void CommandChanged();
}
