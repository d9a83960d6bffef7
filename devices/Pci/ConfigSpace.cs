using System.Buffers.Binary;

namespace Vmm.Devices.Pci;

/// <summary>
/// The 256 bytes of a function's configuration space: each bit is read-only or writable, and ranges belong to capabilities, which
/// hang in a list (PCI Local Bus 3.0 §6.1, §6.7). Knows no meaning. Not thread-safe.
/// </summary>
public sealed class ConfigSpace
{
    private const int DoubleWord = 4;

    private readonly byte[] _data = new byte[PciRegisters.ConventionalBytes];
    private readonly byte[] _writable = new byte[PciRegisters.ConventionalBytes];
    private readonly (int Start, IPciCapability Capability)?[] _owners = new (int, IPciCapability)?[PciRegisters.ConventionalBytes / DoubleWord];
    private int _next = PciRegisters.FirstCapability;
    private int _lastLink = PciRegisters.CapabilitiesPointer;

    /// <summary>The bytes as they are, capabilities without their content.</summary>
    public ReadOnlySpan<byte> Bytes => _data;

    /// <summary>Which bits the guest can change.</summary>
    public ReadOnlySpan<byte> WritableBits => _writable;

    /// <summary>Sets an 8-bit register's value and writable bits.</summary>
    public void Define8(int offset, byte value, byte writable = 0) => (_data[offset], _writable[offset]) = (value, writable);

    /// <summary>Sets a 16-bit register's value and writable bits.</summary>
    public void Define16(int offset, ushort value, ushort writable = 0)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_data.AsSpan(offset), value);
        BinaryPrimitives.WriteUInt16LittleEndian(_writable.AsSpan(offset), writable);
    }

    /// <summary>Sets a 32-bit register's value and writable bits.</summary>
    public void Define32(int offset, uint value, uint writable = 0)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_data.AsSpan(offset), value);
        BinaryPrimitives.WriteUInt32LittleEndian(_writable.AsSpan(offset), writable);
    }

    public ushort Get16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_data.AsSpan(offset));

    public uint Get32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_data.AsSpan(offset));

    /// <summary>Changes a register as the device, not the guest.</summary>
    public void Set16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(_data.AsSpan(offset), value);

    /// <summary>Changes a register as the device, not the guest.</summary>
    public void Set32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_data.AsSpan(offset), value);

    /// <summary>Hangs a capability at the end of the list.</summary>
    /// <returns>Its offset.</returns>
    /// <exception cref="InvalidOperationException">There is no room.</exception>
    public int AddCapability(IPciCapability capability)
    {
        int start = _next;
        int end = (start + capability.SizeBytes + DoubleWord - 1) & ~(DoubleWord - 1);
        if (end > PciRegisters.ConventionalBytes) throw new InvalidOperationException("the configuration space is full of capabilities");
        for (int i = start; i < end; i += DoubleWord) _owners[i / DoubleWord] = (start, capability);
        _data[_lastLink] = (byte)start;
        _lastLink = start + 1;
        _data[start] = capability.Id;
        _next = end;
        return start;
    }

    /// <summary>Reads 1, 2 or 4 bytes within one doubleword.</summary>
    public void Read(int offset, Span<byte> data)
    {
        if (_owners[offset / DoubleWord] is not { } owner)
        {
            _data.AsSpan(offset, data.Length).CopyTo(data);
            return;
        }

        (int start, IPciCapability capability) = owner;
        capability.Read(offset - start, data);
        for (int i = 0; i < data.Length && offset + i < start + 2; i++) data[i] = _data[offset + i];
    }

    /// <summary>Writes 1, 2 or 4 bytes within one doubleword.</summary>
    public void Write(int offset, ReadOnlySpan<byte> data)
    {
        if (_owners[offset / DoubleWord] is { } owner)
        {
            owner.Capability.Write(offset - owner.Start, data);
            return;
        }

        for (int i = 0; i < data.Length; i++)
        {
            byte writable = _writable[offset + i];
            _data[offset + i] = (byte)((_data[offset + i] & ~writable) | (data[i] & writable));
        }
    }

    /// <summary>Whether these bytes differ from the present ones in writable bits only.</summary>
    public bool CanBecome(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != _data.Length) return false;
        for (int i = 0; i < bytes.Length; i++)
        {
            if (((bytes[i] ^ _data[i]) & ~_writable[i]) != 0) return false;
        }

        return true;
    }

    /// <summary>Takes all bytes.</summary>
    public void Become(ReadOnlySpan<byte> bytes) => bytes.CopyTo(_data);
}
