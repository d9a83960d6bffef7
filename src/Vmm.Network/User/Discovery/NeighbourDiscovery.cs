using Vmm.Core.Backends;
using Vmm.Network.User.Packets;
using static Vmm.Network.User.Packets.IcmpV6Message;

namespace Vmm.Network.User.Discovery;

/// <summary>
/// What IPv6 has in place of ARP and, mostly, of DHCP (RFC 4861, 4862): tells the guest who its router is and which addresses it may make, answers
/// who asks for our Ethernet address, and asks for the guest's. Under the network's lock.
/// </summary>
internal sealed class NeighbourDiscovery(GuestLink link)
{
    /// <summary>A guest must hear of its router again before <see cref="RouterAdvertisement.LifetimeSeconds"/> are over.</summary>
    private const long AdvertiseEveryNs = 600_000_000_000;

    private const byte MostHops = 255;
    private const int SolicitBytes = 24, SourceAddressBytes = 8, TargetAt = 8, OptionsAt = 24, FlagsAt = 4;
    private const byte SourceLinkAddress = 1, TargetLinkAddress = 2;
    private const byte RouterFlag = 0x80, SolicitedFlag = 0x40, OverrideFlag = 0x20;

    private static readonly IpAddress AllNodes = new(((UInt128)0xff02 << 112) + 1);
    private static readonly UInt128 s_solicitedPrefix = ((UInt128)0xff02 << 112) + (UInt128)0x1_ff00_0000;
    private const uint SolicitedMask = 0xffffff;

    private readonly RouterAdvertisement _advertisement = new(link.Options);
    private long _dueNs = long.MaxValue;

    /// <summary>Asks for the Ethernet address of a guest.</summary>
    public static void Ask(GuestLink link, IpAddress target)
    {
        Span<byte> message = stackalloc byte[OptionsAt + SourceAddressBytes];
        message.Clear();
        message[0] = ND_NEIGHBOR_SOLICIT;
        target.Write(message[TargetAt..]);
        WriteLinkAddress(message[OptionsAt..], SourceLinkAddress, HostMac.Of(link.Options.HostAddress));
        IpAddress group = new(s_solicitedPrefix | ((uint)target.Value & SolicitedMask));
        link.PutNeighbourMessage(HostMac.OfGroup(group), UserNetOptions.RouterAddress, group, message);
    }

    /// <summary>Writes the option that tells an Ethernet address (RFC 4861 §4.6.1).</summary>
    internal static void WriteLinkAddress(Span<byte> to, byte kind, MacAddress mac)
    {
        (to[0], to[1]) = (kind, 1);
        mac.Write(to[2..]);
    }

    /// <summary>Takes a message whose checksum is good.</summary>
    /// <returns>False when it is none of neighbour discovery and groups.</returns>
    public bool TryInput(in IpHeader ip, ReadOnlySpan<byte> message)
    {
        if (message.Length < IcmpMessage.HeaderBytes) return true;
        // Who speaks IPv6 at all hears of its router from time to time: after a restore, too, when it does not ask.
        if (_dueNs == long.MaxValue) Advertise(link.Clock.NowNs + AdvertiseEveryNs);
        byte type = message[0];
        if (type is ICMP6_ECHO_REQUEST or ICMP6_ECHO_REPLY || type < ICMP6_INFOMSG_MASK) return false;
        bool isLocal = ip.Hops == MostHops && message[1] == 0;
        if (isLocal && type == ND_ROUTER_SOLICIT) AnswerRouter();
        else if (isLocal && type == ND_NEIGHBOR_SOLICIT && message.Length >= SolicitBytes) AnswerNeighbour(ip, IpAddress.Read(message[TargetAt..]));
        return true;
    }

    /// <summary>Says again what the guest has to know, when that is due.</summary>
    /// <returns>When it is due next.</returns>
    public long Expire(long nowNs)
    {
        if (_dueNs <= nowNs) AnswerRouter();
        return _dueNs;
    }

    /// <summary>The guest is another one now.</summary>
    public void Forget() => _dueNs = long.MaxValue;

    private void AnswerRouter()
    {
        link.PutNeighbourMessage(HostMac.OfGroup(AllNodes), UserNetOptions.RouterAddress, AllNodes, _advertisement.Message);
        Advertise(link.Clock.NowNs + AdvertiseEveryNs);
    }

    private void Advertise(long dueNs)
    {
        _dueNs = dueNs;
        link.Schedule(dueNs);
    }

    private void AnswerNeighbour(in IpHeader ip, IpAddress target)
    {
        if (!link.Options.IsHost(target) && !link.Options.IsNameServer(target)) return;
        // Who wants to take our address has none to answer to: all hear that it is taken (RFC 4861 §7.2.4).
        bool isForAll = ip.Source.IsUnspecified;
        IpAddress to = isForAll ? AllNodes : ip.Source;
        MacAddress mac = HostMac.OfGroup(AllNodes);
        if (!isForAll && !link.Neighbours.TryFind(to, out mac)) return;
        Span<byte> message = stackalloc byte[OptionsAt + SourceAddressBytes];
        message.Clear();
        message[0] = ND_NEIGHBOR_ADVERT;
        message[FlagsAt] = (byte)(RouterFlag | OverrideFlag | (isForAll ? 0 : SolicitedFlag));
        target.Write(message[TargetAt..]);
        WriteLinkAddress(message[OptionsAt..], TargetLinkAddress, HostMac.Of(link.Options.HostAddress));
        link.PutNeighbourMessage(mac, target, to, message);
    }
}
