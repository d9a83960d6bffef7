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
    private const byte DWordSpaceTag = 0x87;
    private const byte WordSpaceTag = 0x88;
    private const byte QWordSpaceTag = 0x8a;
    private const byte MemorySpace = 0;
    private const byte PortSpace = 1;
    private const byte BusNumberSpace = 2;
    private const byte MinimumAndMaximumFixed = 0xc;
    private const byte ReadWriteMemory = 1;
    private const byte EntirePortRange = 3;
    private const byte Decode16 = 1;
    private const byte ResourceConsumer = 1;
    private const byte LevelActiveHigh = 0;
    private const byte Shared = 1 << 3;
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

    /// <summary>An I/O APIC input: level, active high.</summary>
    public ResourceTemplate Interrupt(uint gsi, bool isShared = false)
    {
        Span<byte> bytes = [ExtendedInterruptTag, 6, 0, (byte)(ResourceConsumer | LevelActiveHigh | (isShared ? Shared : 0)), 1, 0, 0, 0, 0];
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

    /// <summary>Bus numbers that a bridge passes on (§6.4.3.5.3).</summary>
    public ResourceTemplate BusNumbers(byte first, byte last) => WordSpace(BusNumberSpace, 0, first, last);

    /// <summary>Ports that a bridge passes on (§6.4.3.5.3).</summary>
    public ResourceTemplate PortWindow(ushort first, ushort last) => WordSpace(PortSpace, EntirePortRange, first, last);

    /// <summary>Memory that a bridge passes on, in the doubleword form below 4 GiB and the quadword form above (§6.4.3.5.1, §6.4.3.5.2).</summary>
    public ResourceTemplate MemoryWindow(ulong start, ulong sizeBytes)
    {
        if (sizeBytes == 0 || start > ulong.MaxValue - (sizeBytes - 1)) throw new ArgumentOutOfRangeException(nameof(sizeBytes), sizeBytes, "a memory window is not empty and does not wrap");
        ulong last = start + sizeBytes - 1;
        bool isWide = last > uint.MaxValue;
        Begin(isWide ? QWordSpaceTag : DWordSpaceTag, 3 + 5 * (isWide ? sizeof(ulong) : sizeof(uint)), MemorySpace, ReadWriteMemory);
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        foreach (ulong value in (ReadOnlySpan<ulong>)[0, start, last, 0, sizeBytes])
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
            _bytes.Write(bytes[..(isWide ? sizeof(ulong) : sizeof(uint))]);
        }

        return this;
    }

    private ResourceTemplate WordSpace(byte type, byte typeFlags, ushort first, ushort last)
    {
        // The length of the whole space does not fit its field.
        if (last < first || last - first == ushort.MaxValue) throw new ArgumentOutOfRangeException(nameof(last), last, "a window is not empty and not everything");
        Begin(WordSpaceTag, 3 + 5 * sizeof(ushort), type, typeFlags);
        Span<byte> bytes = stackalloc byte[sizeof(ushort)];
        foreach (ushort value in (ReadOnlySpan<ushort>)[0, first, last, 0, (ushort)(last - first + 1)])
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes, value);
            _bytes.Write(bytes);
        }

        return this;
    }

    // An address space descriptor: a producer with fixed bounds.
    private void Begin(byte tag, int contentBytes, byte type, byte typeFlags)
        => _bytes.Write((ReadOnlySpan<byte>)[tag, (byte)contentBytes, 0, type, MinimumAndMaximumFixed, typeFlags]);

    /// <summary>Ends the template; a checksum of 0 means "not used".</summary>
    internal ReadOnlySpan<byte> Close()
    {
        ReadOnlySpan<byte> end = [EndTag, 0];
        _bytes.Write(end);
        return _bytes.WrittenSpan;
    }
}
