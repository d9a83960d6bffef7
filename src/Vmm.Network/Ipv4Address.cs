using System.Globalization;

namespace Vmm.Network;

/// <summary>An IPv4 address.</summary>
/// <param name="Value">In the order of the digits: 10.0.2.15 is 0x0a00020f.</param>
public readonly record struct Ipv4Address(uint Value)
{
    private const int Parts = 4;
    private const int BitsPerPart = 8;

    /// <summary>255.255.255.255.</summary>
    public static readonly Ipv4Address Broadcast = new(uint.MaxValue);

    /// <summary>127.0.0.1.</summary>
    public static readonly Ipv4Address Loopback = new(0x7f000001);

    /// <summary>True for 224.0.0.0/4.</summary>
    public bool IsMulticast => Value >> 28 == 0xe;

    /// <summary>True for 127.0.0.0/8.</summary>
    public bool IsLoopback => Value >> 24 == 127;

    /// <summary>True where no single machine can be: this network, loopback, multicast, reserved and broadcast (RFC 1122 §3.2.1.3).</summary>
    public bool IsNoHost => Value >> 24 == 0 || IsLoopback || IsMulticast || Value >> 28 == 0xf;

    /// <summary>Reads four decimal numbers; leading zeros, missing parts and hexadecimal are refused.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Ipv4Address address)
    {
        address = default;
        uint value = 0;
        int parts = 0;
        foreach (Range range in text.Split('.'))
        {
            ReadOnlySpan<char> part = text[range];
            bool isGood = part.Length is >= 1 and <= 3 && (part.Length == 1 || part[0] != '0');
            if (!isGood || ++parts > Parts || !byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out byte number)) return false;
            value = (value << BitsPerPart) | number;
        }

        if (parts != Parts) return false;
        address = new(value);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Value >> 24}.{(byte)(Value >> 16)}.{(byte)(Value >> 8)}.{(byte)Value}";
}
