using System.Globalization;

namespace Vmm.Network;

/// <summary>A block of IPv4 addresses: 10.0.2.0/24.</summary>
/// <param name="Address">Its first address.</param>
/// <param name="PrefixLength">Bits that all its addresses share, 0 to 32.</param>
public readonly record struct Ipv4Network(Ipv4Address Address, int PrefixLength)
{
    private const int AddressBits = 32;

    /// <summary>Ones where all addresses are equal.</summary>
    public Ipv4Address Mask => new(PrefixLength == 0 ? 0 : uint.MaxValue << (AddressBits - PrefixLength));

    /// <summary>The last address.</summary>
    public Ipv4Address Broadcast => new(Address.Value | ~Mask.Value);

    /// <summary>Whether an address belongs to the block.</summary>
    public bool Contains(Ipv4Address address) => (address.Value & Mask.Value) == Address.Value;

    /// <summary>Whether an address can be a machine's: in the block, and neither its first nor its last.</summary>
    public bool IsHost(Ipv4Address address) => Contains(address) && address != Address && address != Broadcast;

    /// <summary>Reads "address/bits". Bits of the address beyond the prefix must be zero.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Ipv4Network network)
    {
        network = default;
        int slash = text.IndexOf('/');
        if (slash < 0 || !Ipv4Address.TryParse(text[..slash], out Ipv4Address address)) return false;
        if (!int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int bits) || bits > AddressBits) return false;
        network = new(address, bits);
        return network.Contains(address) && (address.Value & ~network.Mask.Value) == 0;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Address}/{PrefixLength}";
}
