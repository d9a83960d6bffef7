using System.Buffers.Binary;
using System.Collections.Immutable;
using Vmm.Core.Backends;

namespace Vmm.Devices.Virtio.Net;

/// <summary>Which frames the driver wants (virtio 1.2 §5.1.6.5.1 to §5.1.6.5.3). Never changes: the control queue makes a new one.</summary>
internal sealed record NetFilter
{
    /// <summary>Addresses in each table; more count as all.</summary>
    public const int TableEntries = 64;

    /// <summary>Bytes of a frame that are looked at: addresses, and a VLAN tag.</summary>
    public const int LookBytes = 18;

    /// <summary>Words of a bitmap of all VLANs.</summary>
    public const int VlanWords = 4096 / 64;

    private const int EtherTypeAt = 12, TagAt = 14;
    private const ushort ETH_P_8021Q = 0x8100, VlanIdMask = 0xfff;

    /// <summary>Until the driver has said what it wants, it gets all.</summary>
    public NetReceiveMode Mode { get; init; } = NetReceiveMode.Promiscuous;

    public MacAddress Own { get; init; }

    public ImmutableArray<MacAddress> Unicast { get; init; } = [];

    public ImmutableArray<MacAddress> Multicast { get; init; } = [];

    /// <summary>A bit for each VLAN that passes; empty when all do.</summary>
    public ImmutableArray<ulong> Vlans { get; init; } = [];

    /// <summary>The same with a switch on or off.</summary>
    public NetFilter With(NetReceiveMode flag, bool on) => this with { Mode = on ? Mode | flag : Mode & ~flag };

    /// <summary>The same with a VLAN let through or not.</summary>
    public NetFilter WithVlan(int vlan, bool on)
    {
        ulong bit = 1UL << (vlan % 64);
        ulong word = Vlans[vlan / 64];
        return this with { Vlans = Vlans.SetItem(vlan / 64, on ? word | bit : word & ~bit) };
    }

    /// <summary>Whether the driver wants a frame.</summary>
    /// <param name="frame">Its first <see cref="LookBytes"/> bytes, or all when it is shorter; at least an Ethernet header.</param>
    public bool Accepts(ReadOnlySpan<byte> frame)
    {
        if (Has(NetReceiveMode.Promiscuous)) return true;
        if (!Vlans.IsEmpty && frame.Length >= LookBytes && BinaryPrimitives.ReadUInt16BigEndian(frame[EtherTypeAt..]) == ETH_P_8021Q)
        {
            int vlan = BinaryPrimitives.ReadUInt16BigEndian(frame[TagAt..]) & VlanIdMask;
            if ((Vlans[vlan / 64] & (1UL << (vlan % 64))) == 0) return false;
        }

        MacAddress to = MacAddress.Read(frame);
        if (to == MacAddress.Broadcast) return !Has(NetReceiveMode.NoBroadcast);
        if (to.IsMulticast)
            return !Has(NetReceiveMode.NoMulticast) && (Has(NetReceiveMode.AllMulticast) || Has(NetReceiveMode.MulticastOverflow) || Multicast.Contains(to));
        return !Has(NetReceiveMode.NoUnicast)
            && (to == Own || Has(NetReceiveMode.AllUnicast) || Has(NetReceiveMode.UnicastOverflow) || Unicast.Contains(to));
    }

    private bool Has(NetReceiveMode flag) => (Mode & flag) != 0;
}
