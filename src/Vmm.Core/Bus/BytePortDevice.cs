namespace Vmm.Core.Bus;

/// <summary>
/// A device of the ISA bus with 8-bit registers. A wider access is a sequence of byte accesses at ascending addresses, as the bus
/// bridge makes them.
/// </summary>
public abstract class BytePortDevice : IBusDevice
{
    /// <inheritdoc/>
    public BusResult Read(in BusAccess access, Span<byte> data)
    {
        for (int i = 0; i < data.Length; i++) data[i] = ReadPort(access.Region, (int)access.Offset + i);
        return BusResult.Ok;
    }

    /// <inheritdoc/>
    public BusResult Write(in BusAccess access, ReadOnlySpan<byte> data)
    {
        for (int i = 0; i < data.Length; i++) WritePort(access.Region, (int)access.Offset + i, data[i]);
        return BusResult.Ok;
    }

    /// <summary>Reads one register.</summary>
    /// <param name="region">The tag given at attach.</param>
    /// <param name="offset">Ports from the start of the region.</param>
    protected abstract byte ReadPort(int region, int offset);

    /// <summary>Writes one register.</summary>
    protected abstract void WritePort(int region, int offset, byte value);
}
