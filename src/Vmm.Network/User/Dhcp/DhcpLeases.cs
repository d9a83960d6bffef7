namespace Vmm.Network.User.Dhcp;

/// <summary>Which client has which address. A full table takes the address of the client longest unheard whose lease has ended.</summary>
internal sealed class DhcpLeases
{
    /// <summary>How long a lease is good.</summary>
    public const uint LeaseSeconds = 86400;

    private const long LeaseNs = LeaseSeconds * 1_000_000_000L;
    private const long OfferNs = 60_000_000_000;
    private const long DeclinedNs = 600_000_000_000;
    private const int IdentityBytes = 64;

    private readonly Lease[] _leases;
    private readonly IDhcpLink _link;
    private readonly Ipv4Address _first;

    public DhcpLeases(IDhcpLink link)
    {
        UserNetOptions options = link.Options;
        _link = link;
        _first = options.DhcpAddress;
        long room = options.Network.Broadcast.Value - (long)_first.Value;
        _leases = new Lease[Math.Clamp(room, 1, link.MostLeases)];
        for (int i = 0; i < _leases.Length; i++)
        {
            Ipv4Address address = AddressOf(i);
            _leases[i].Identity = new byte[IdentityBytes];
            _leases[i].IsOurs = address == options.HostAddress || address == options.DnsAddress;
        }
    }

    /// <summary>Finds an address to offer, and keeps it for a minute.</summary>
    /// <param name="identity">The client.</param>
    /// <param name="wish">What it would like.</param>
    /// <param name="nowNs">The time.</param>
    /// <param name="address">The address.</param>
    public bool TryOffer(ReadOnlySpan<byte> identity, Ipv4Address? wish, long nowNs, out Ipv4Address address)
    {
        int at = Find(identity, nowNs);
        if (at < 0 && wish is { } wanted && IndexOf(wanted) is var index and >= 0 && IsFree(index, nowNs)) at = index;
        if (at < 0) at = FirstFree(nowNs);
        address = at < 0 ? default : AddressOf(at);
        if (at < 0) return false;
        long until = _leases[at].Matches(identity) ? Math.Max(_leases[at].UntilNs, nowNs + OfferNs) : nowNs + OfferNs;
        _leases[at].Take(identity, until);
        return true;
    }

    /// <summary>Gives an address to a client that asks for it.</summary>
    /// <returns>False when it is another's, or not one of those given.</returns>
    public bool TryBind(ReadOnlySpan<byte> identity, Ipv4Address address, long nowNs)
    {
        int at = IndexOf(address);
        if (at < 0 || (!_leases[at].Matches(identity) && !IsFree(at, nowNs))) return false;
        Release(identity);
        _leases[at].Take(identity, nowNs + LeaseNs);
        return true;
    }

    /// <summary>The client needs its address no more.</summary>
    public void Release(ReadOnlySpan<byte> identity)
    {
        foreach (ref Lease lease in _leases.AsSpan())
            if (lease.Matches(identity)) lease.UntilNs = 0;
    }

    /// <summary>The client says that somebody else uses its address.</summary>
    public void Decline(ReadOnlySpan<byte> identity, Ipv4Address address, long nowNs)
    {
        int at = IndexOf(address);
        if (at >= 0 && _leases[at].Matches(identity)) _leases[at].Take([], nowNs + DeclinedNs);
    }

    private int Find(ReadOnlySpan<byte> identity, long nowNs)
    {
        for (int i = 0; i < _leases.Length; i++)
            if (_leases[i].Matches(identity) && !_leases[i].IsOurs && (_leases[i].UntilNs > 0 || IsFree(i, nowNs))) return i;
        return -1;
    }

    private int FirstFree(long nowNs)
    {
        // One that nobody had first, so that a client that comes back finds its own.
        int oldest = -1;
        for (int i = 0; i < _leases.Length; i++)
        {
            if (!IsFree(i, nowNs)) continue;
            if (_leases[i].IdentityLength == 0) return i;
            if (oldest < 0 || _leases[i].UntilNs < _leases[oldest].UntilNs) oldest = i;
        }

        return oldest;
    }

    private bool IsFree(int at, long nowNs) => !_leases[at].IsOurs && _leases[at].UntilNs <= nowNs && !_link.IsReserved(AddressOf(at));

    private Ipv4Address AddressOf(int index) => new(_first.Value + (uint)index);

    private int IndexOf(Ipv4Address address)
    {
        uint index = address.Value - _first.Value;
        return index < (uint)_leases.Length && !_leases[(int)index].IsOurs ? (int)index : -1;
    }

    private struct Lease
    {
        public byte[] Identity;
        public int IdentityLength;
        public long UntilNs;
        public bool IsOurs;

        public readonly bool Matches(ReadOnlySpan<byte> identity)
            => IdentityLength != 0 && Identity.AsSpan(0, IdentityLength).SequenceEqual(identity[..Math.Min(identity.Length, IdentityBytes)]);

        public void Take(ReadOnlySpan<byte> identity, long untilNs)
        {
            IdentityLength = Math.Min(identity.Length, IdentityBytes);
            identity[..IdentityLength].CopyTo(Identity);
            UntilNs = untilNs;
        }
    }
}
