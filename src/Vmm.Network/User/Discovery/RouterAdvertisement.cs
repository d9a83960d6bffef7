using System.Buffers.Binary;
using System.Text;
using Vmm.Network.User.Packets;

namespace Vmm.Network.User.Discovery;

/// <summary>
/// What the router says of the network (RFC 4861 §4.2, names by RFC 8106): always the same. In a restricted network it is no way out, and there is no name server.
/// </summary>
internal sealed class RouterAdvertisement
{
    /// <summary>How long the guest believes it.</summary>
    public const ushort LifetimeSeconds = 1800;

    private const uint PrefixSeconds = 86400, PreferredSeconds = 14400;
    private const int HopsAt = 4, LifetimeAt = 6, OptionsAt = 16;
    private const byte GuestHops = 64;
    private const byte SourceLinkAddress = 1, PrefixInformation = 3, Mtu = 5, RDNSS = 25, DNSSL = 31;
    private const byte OnLinkFlag = 0x80, AutonomousFlag = 0x40;
    private const int OptionUnit = 8, LongestLabel = 63;

    private readonly byte[] _message;

    public RouterAdvertisement(UserNetOptions options)
    {
        List<byte> message = [.. new byte[OptionsAt]];
        message[0] = IcmpV6Message.ND_ROUTER_ADVERT;
        message[HopsAt] = GuestHops;
        Span<byte> link = stackalloc byte[OptionUnit];
        NeighbourDiscovery.WriteLinkAddress(link, SourceLinkAddress, HostMac.Of(options.HostAddress));
        message.AddRange(link);
        Add(message, [PrefixInformation, 4, UserNetOptions.PrefixBitsV6, OnLinkFlag | AutonomousFlag, .. Big(PrefixSeconds), .. Big(PreferredSeconds), .. Big(0), .. Bytes(UserNetOptions.PrefixV6)]);
        Add(message, [Mtu, 1, 0, 0, .. Big((uint)options.Mtu)]);
        if (!options.IsRestricted)
        {
            message[LifetimeAt] = LifetimeSeconds >> 8;
            message[LifetimeAt + 1] = unchecked((byte)LifetimeSeconds);
            Add(message, [RDNSS, 3, 0, 0, .. Big(LifetimeSeconds), .. Bytes(UserNetOptions.DnsAddressV6)]);
            if (options.Domain is { } domain) AddDomain(message, domain);
        }

        _message = [.. message];
    }

    /// <summary>The message; its checksum is for the sender to fill in.</summary>
    public Span<byte> Message => _message;

    private static void AddDomain(List<byte> message, string domain)
    {
        List<byte> option = [DNSSL, 0, 0, 0, .. Big(LifetimeSeconds)];
        foreach (string label in domain.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            if (label.Length > LongestLabel) return; // no name that DNS could carry
            option.Add((byte)label.Length);
            option.AddRange(Encoding.ASCII.GetBytes(label));
        }

        option.Add(0);
        while (option.Count % OptionUnit != 0) option.Add(0);
        option[1] = (byte)(option.Count / OptionUnit);
        Add(message, [.. option]);
    }

    private static void Add(List<byte> message, ReadOnlySpan<byte> option) => message.AddRange(option);

    private static byte[] Big(uint value)
    {
        byte[] bytes = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    private static byte[] Bytes(IpAddress address)
    {
        byte[] bytes = new byte[IpAddress.V6Bytes];
        address.Write(bytes);
        return bytes;
    }
}
