using System.Buffers.Binary;
using System.Text;
using Vmm.Firmware.Boot;

namespace Vmm.Firmware.Smbios;

/// <summary>One structure: header, formatted area, strings (SMBIOS 3.6 §6.1). Fields are appended in the order of the specification.</summary>
internal sealed class SmbiosStructure
{
    private const int MaxStringCharacters = 64;

    private readonly List<byte> _bytes;
    private readonly List<byte> _strings = [];
    private byte _stringCount;

    public SmbiosStructure(byte type, ushort handle) => _bytes = [type, 0, (byte)handle, (byte)(handle >> 8)];

    public SmbiosStructure Byte(byte value)
    {
        _bytes.Add(value);
        return this;
    }

    public SmbiosStructure Word(ushort value) => Raw(value, sizeof(ushort));

    public SmbiosStructure DWord(uint value) => Raw(value, sizeof(uint));

    public SmbiosStructure QWord(ulong value) => Raw(value, sizeof(ulong));

    /// <summary>A UUID: its first three fields are little-endian (§7.2.1).</summary>
    public SmbiosStructure Uuid(Guid value)
    {
        _bytes.AddRange(value.ToByteArray());
        return this;
    }

    /// <summary>The number of a string; 0 for an empty one.</summary>
    /// <exception cref="BootException">The text cannot stand in a table.</exception>
    public SmbiosStructure Text(string text)
    {
        if (text.Length == 0) return Byte(0);
        if (text.Length > MaxStringCharacters) throw new BootException($"SMBIOS: \"{text[..16]}…\" has {text.Length} characters, at most {MaxStringCharacters} are allowed");
        if (text.Any(c => c is < ' ' or > '~')) throw new BootException("SMBIOS: a string holds characters that are not printable ASCII");
        _strings.AddRange(Encoding.ASCII.GetBytes(text));
        _strings.Add(0);
        return Byte(++_stringCount);
    }

    /// <summary>Appends the finished structure.</summary>
    public void AppendTo(List<byte> table)
    {
        _bytes[1] = (byte)_bytes.Count;
        table.AddRange(_bytes);
        table.AddRange(_strings);
        if (_stringCount == 0) table.Add(0);
        table.Add(0);
    }

    private SmbiosStructure Raw(ulong value, int count)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        _bytes.AddRange(bytes[..count]);
        return this;
    }
}
