using System.Buffers.Binary;
using System.Net;
using static Vmm.Network.Netlink.Rtnetlink;

namespace Vmm.Network.Netlink;

/// <summary>A route as the kernel told it: table, metric, source, next hops and all, so that it can be given back, over the same interface or another.</summary>
/// <param name="Body">A <c>struct rtmsg</c> and its attributes.</param>
public sealed record SavedRoute(byte[] Body)
{
    private const int PrefixAt = 1, TosAt = 3, TableAt = 4, ProtocolAt = 5, TypeAt = 7, FlagsAt = 8;

    // struct rtnexthop: length, flags, hops, interface.
    private const int HopBytes = 8, HopFlagsAt = 2, HopIndexAt = 4;

    // struct rta_cacheinfo: clntref, lastuse, expires (in hundredths of a second), …
    private const int ExpiresAt = 8, TicksPerSecond = 100;

    /// <summary>
    /// Whether it is one that is to be kept: not the kernel's cache, nor of the table that follows from the addresses; but for multicast, where the
    /// first route says by which card it goes.
    /// </summary>
    public bool IsKept => Body.Length >= RouteBytes && Body[0] is AF_INET or AF_INET6 && (Table != RT_TABLE_LOCAL || Body[TypeAt] == RTN_MULTICAST) && (Flags & RTM_F_CLONED) == 0;

    /// <summary>The interface of a route with one next hop; 0 else.</summary>
    public int LinkIndex => (int)NetlinkBytes.Number(Attributes, RTA_OIF, 0);

    /// <summary>Whether it has a gateway, or several.</summary>
    public bool IsIndirect => !NetlinkBytes.Find(Attributes, RTA_GATEWAY).IsEmpty || !NetlinkBytes.Find(Attributes, RTA_MULTIPATH).IsEmpty;

    /// <summary>Whether it leads to an object of its own ("ip nexthop"), which ends with its interface.</summary>
    public bool HasNextHopObject => !NetlinkBytes.Find(Attributes, RTA_NH_ID).IsEmpty;

    /// <summary>Made by the kernel for an address.</summary>
    public bool IsKernels => Body[ProtocolAt] == RTPROT_KERNEL;

    /// <summary>True for IPv6.</summary>
    public bool IsV6 => Body[0] == AF_INET6;

    /// <summary>Whether it is the way to everywhere in the main table.</summary>
    public bool IsDefault => Body[PrefixAt] == 0 && Table == RT_TABLE_MAIN && Body[TypeAt] == RTN_UNICAST;

    /// <summary>Among several to one place the smallest wins.</summary>
    public uint Metric => NetlinkBytes.Number(Attributes, RTA_PRIORITY, 0);

    /// <summary>What it has in common with those it competes with: of routes with the same place the first one is taken.</summary>
    internal string Place
    {
        get
        {
            string to = Convert.ToHexString(NetlinkBytes.Find(Attributes, RTA_DST)), from = Convert.ToHexString(NetlinkBytes.Find(Attributes, RTA_SRC));
            return $"{Body[0]} {Table} {Body[TosAt]} {Metric} {to}/{Body[PrefixAt]} {from}";
        }
    }

    private ReadOnlySpan<byte> Attributes => Body.AsSpan(RouteBytes);

    private uint Table => NetlinkBytes.Number(Attributes, RTA_TABLE, Body[TableAt]);

    private uint Flags => BinaryPrimitives.ReadUInt32LittleEndian(Body.AsSpan(FlagsAt));

    /// <summary>Whether both say the same, but for what counts and passes.</summary>
    public bool IsSameAs(SavedRoute other) => Essence().AsSpan().SequenceEqual(other.Essence());

    /// <summary>The same over another interface.</summary>
    public SavedRoute Moved(int fromIndex, int toIndex)
    {
        byte[] body = [.. Body];
        Span<byte> rest = body.AsSpan(RouteBytes);
        while (rest.Length >= AttributeBytes)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(rest);
            if (length < AttributeBytes || length > rest.Length) break;
            int type = BinaryPrimitives.ReadUInt16LittleEndian(rest[sizeof(ushort)..]) & NLA_TYPE_MASK;
            Span<byte> value = rest[AttributeBytes..length];
            if (type == RTA_OIF && value.Length >= sizeof(int)) NetlinkBytes.MapIndex(value, fromIndex, toIndex);
            else if (type == RTA_MULTIPATH) MoveHops(value, fromIndex, toIndex);
            rest = rest[Math.Min(Align(length), rest.Length)..];
        }

        return new SavedRoute(body);
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        ReadOnlySpan<byte> to = NetlinkBytes.Find(Attributes, RTA_DST);
        return Body[PrefixAt] == 0 ? "default" : $"{(to.IsEmpty ? "?" : new IPAddress(to).ToString())}/{Body[PrefixAt]}";
    }

    internal NetlinkRequest ToRequest(ushort type, ushort flags) => ToRequest(type, (ushort)(flags | NLM_F_ACK), hasExpiry: true);

    private byte[] Essence() => ToRequest(0, 0, hasExpiry: false).Finish(0).ToArray();

    private NetlinkRequest ToRequest(ushort type, ushort flags, bool hasExpiry)
    {
        NetlinkRequest request = new(type, flags, RouteBytes, Body.Length);
        Body.AsSpan(0, RouteBytes).CopyTo(request.Body);
        // The others say what the link does now: dead, or without a cable.
        BinaryPrimitives.WriteUInt32LittleEndian(request.Body[FlagsAt..], Flags & RTNH_F_ONLINK);
        NetlinkAttributes walk = new(Attributes);
        while (walk.Next(out ushort attribute, out ReadOnlySpan<byte> value))
        {
            if (attribute == RTA_MULTIPATH) request.Add(attribute, Settled(value));
            else if (attribute != RTA_CACHEINFO) request.Add(attribute, value);
            else if (hasExpiry && IsV6 && Expires(value) is { } seconds and > 0) request.Add(RTA_EXPIRES, (uint)seconds);
        }

        return request;
    }

    private static byte[] Settled(ReadOnlySpan<byte> hops)
    {
        byte[] settled = hops.ToArray();
        for (int at = 0; at + HopBytes <= settled.Length;)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(settled.AsSpan(at));
            if (length < HopBytes) break;
            settled[at + HopFlagsAt] &= (byte)RTNH_F_ONLINK;
            at += Align(length);
        }

        return settled;
    }

    private static int? Expires(ReadOnlySpan<byte> info)
        => info.Length >= ExpiresAt + sizeof(int) ? BinaryPrimitives.ReadInt32LittleEndian(info[ExpiresAt..]) / TicksPerSecond : null;

    private static void MoveHops(Span<byte> hops, int fromIndex, int toIndex)
    {
        while (hops.Length >= HopBytes)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(hops);
            if (length < HopBytes || length > hops.Length) return;
            NetlinkBytes.MapIndex(hops[HopIndexAt..], fromIndex, toIndex);
            hops = hops[Math.Min(Align(length), hops.Length)..];
        }
    }
}
