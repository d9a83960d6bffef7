using System.Buffers;
using System.Buffers.Binary;

namespace Vmm.Firmware.Acpi;

/// <summary>Resource descriptors as _CRS holds them (ACPI 6.5 §6.4).</summary>
public sealed class ResourceTemplate
{
    private const byte IrqTag = 0x22;
    private const byte IoTag = 0x47;
    private const byte EndTag = 0x79;
    private const byte Memory32FixedTag = 0x86;
    private const byte ExtendedInterruptTag = 0x89;
    private const byte Decode16 = 1;
    private const byte ResourceConsumer = 1;
    private const byte LevelActiveHigh = 0;
    private const int IsaInterrupts = 16;

    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>Fixed I/O ports.</summary>
    public ResourceTemplate Io(ushort port, byte count)
    {
        Span<byte> bytes = [IoTag, Decode16, 0, 0, 0, 0, 1, count];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[2..], port);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[4..], port);
        _bytes.Write(bytes);
        return this;
    }

    /// <summary>An ISA interrupt: edge, active high, not shared.</summary>
    public ResourceTemplate Irq(int irq)
    {
        if (irq is < 0 or >= IsaInterrupts) throw new ArgumentOutOfRangeException(nameof(irq), irq, "an ISA interrupt is 0 to 15");
        Span<byte> bytes = [IrqTag, 0, 0];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[1..], (ushort)(1 << irq));
        _bytes.Write(bytes);
        return this;
    }

    /// <summary>An I/O APIC input: level, active high, not shared.</summary>
    public ResourceTemplate Interrupt(uint gsi)
    {
        Span<byte> bytes = [ExtendedInterruptTag, 6, 0, ResourceConsumer | LevelActiveHigh, 1, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[5..], gsi);
        _bytes.Write(bytes);
        return this;
    }

    /// <summary>A fixed range of memory-mapped registers below 4 GiB.</summary>
    public ResourceTemplate Memory32(uint address, uint sizeBytes)
    {
        const byte ReadWrite = 1;
        Span<byte> bytes = [Memory32FixedTag, 9, 0, ReadWrite, 0, 0, 0, 0, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], address);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], sizeBytes);
        _bytes.Write(bytes);
        return this;
    }

    /// <summary>Ends the template; a checksum of 0 means "not used".</summary>
    internal ReadOnlySpan<byte> Close()
    {
        ReadOnlySpan<byte> end = [EndTag, 0];
        _bytes.Write(end);
        return _bytes.WrittenSpan;
    }
}
