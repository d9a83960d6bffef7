using Vmm.Core.Backends;
using Vmm.Core.Time;

namespace Vmm.Network.Xend.Server;

/// <summary>The addresses that guests of a network have by <c>ip=</c> of their interface: DHCP gives them these and nobody else.</summary>
internal sealed class Reservations(NetworkStore networks, IClock clock, string bridge)
{
    private const long LookEveryNs = 1_000_000_000;

    private readonly Dictionary<MacAddress, Ipv4Address> _byMac = [];
    private readonly HashSet<Ipv4Address> _addresses = [];
    private readonly VifStore _vifs = new(networks);
    private long _nextLookNs;

    public Ipv4Address? Find(MacAddress mac)
    {
        Look();
        return _byMac.TryGetValue(mac, out Ipv4Address address) ? address : null;
    }

    public bool Has(Ipv4Address address)
    {
        Look();
        return _addresses.Contains(address);
    }

    private void Look()
    {
        if (clock.NowNs < _nextLookNs) return;
        _nextLookNs = clock.NowNs + LookEveryNs;
        _byMac.Clear();
        _addresses.Clear();
        foreach (VifRecord record in _vifs.List().Where(r => r.Bridge == bridge))
        {
            foreach (string text in record.Spec.Addresses)
            {
                if (!Ipv4Address.TryParse(text, out Ipv4Address address)) continue;
                _addresses.Add(address);
                if (MacAddress.TryParse(record.Spec.Mac, out MacAddress mac)) _byMac.TryAdd(mac, address);
            }
        }
    }
}
