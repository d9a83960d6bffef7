using System.Buffers.Binary;
using System.Globalization;

namespace Vmm.Core.Backends;

/// <summary>An Ethernet address. The first byte on the wire is the highest of the value's six.</summary>
public readonly record struct MacAddress(ulong Value)
{
    /// <summary>Bytes of an address.</summary>
    public const int SizeBytes = 6;

    private const int TextLength = 17;
    private const ulong GroupBit = 1UL << 40;

    /// <summary>All ones.</summary>
    public static MacAddress Broadcast => new(0xffff_ffff_ffff);

    /// <summary>An address of a group, the broadcast included.</summary>
    public bool IsMulticast => (Value & GroupBit) != 0;

    /// <summary>Reads the first six bytes.</summary>
    public static MacAddress Read(ReadOnlySpan<byte> from)
        => new(((ulong)BinaryPrimitives.ReadUInt32BigEndian(from) << 16) | BinaryPrimitives.ReadUInt16BigEndian(from[4..]));

    /// <summary>Writes six bytes.</summary>
    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteUInt32BigEndian(to, (uint)(Value >> 16));
        BinaryPrimitives.WriteUInt16BigEndian(to[4..], (ushort)Value);
    }

    /// <summary>Reads "52:54:00:12:34:56".</summary>
    public static bool TryParse(string text, out MacAddress address)
    {
        address = default;
        if (text.Length != TextLength) return false;
        ulong value = 0;
        for (int i = 0; i < SizeBytes; i++)
        {
            bool isGood = byte.TryParse(text.AsSpan(3 * i, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte part);
            if (!isGood || (i != 0 && text[3 * i - 1] != ':')) return false;
            value = (value << 8) | part;
        }

        address = new MacAddress(value);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        ulong value = Value;
        return string.Join(':', Enumerable.Range(0, SizeBytes).Select(i => ((byte)(value >> (40 - 8 * i))).ToString("x2", CultureInfo.InvariantCulture)));
    }
}
