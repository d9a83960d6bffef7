using System.Net;
using System.Net.Sockets;
using Vmm.Core.Backends;
using Vmm.Host;
using Vmm.Host.Net;
using Vmm.Network.Firewall;
using Vmm.Network.Netlink;

namespace Vmm.Network.Xend;

/// <summary>
/// A guest's network interface on the host: made, put into its bridge or routed to, guarded, and taken away again at the end. The interface itself
/// goes with this process, however that ends; what else was done is taken back by the next one who looks (<see cref="Sweep"/>).
/// </summary>
public sealed class Vif : IDisposable
{
    /// <summary>Ends the name of the interface of an emulated card.</summary>
    public const string TwinSuffix = "-emu";

    // As vif-route has it: the emulated card's way is the better one as long as it is there.
    private const uint TwinMetric = 1, Metric = 2;
    private const int LeastMtu = 68, FullPrefixV4 = 32;

    private readonly NetworkStore _networks;
    private readonly VifStore _store;
    private readonly Action<string> _note;
    private readonly List<TapQueue> _queues = [];
    private readonly LockFile _claim;
    private VifRecord _record;
    private TapQueue? _twin;

    private Vif(VifSpec spec, NetworkStore networks, Action<string> note)
    {
        (_networks, _note) = (networks, note);
        _store = new VifStore(networks);
        _record = new VifRecord { Spec = spec, Namespace = NetworkStore.CurrentNamespace };
        _claim = _store.Claim(spec.Name, note);
    }

    /// <summary>The interface's name.</summary>
    public string Name => _record.Spec.Name;

    /// <summary>The most bytes of a packet.</summary>
    public ushort Mtu { get; private set; }

    /// <summary>The interface's queues. Whoever takes them closes them; the interface is gone with the last one.</summary>
    public IReadOnlyList<TapQueue> Queues => _queues;

    /// <summary>The interface of the emulated card; null where there is none.</summary>
    public TapQueue? Twin => _twin;

    /// <summary>Makes a guest's interface.</summary>
    /// <param name="spec">What it is to be.</param>
    /// <param name="networks">Where the host's networks are written down.</param>
    /// <param name="program">The executable vmm, for scripts.</param>
    /// <param name="note">Takes lines of scripts.</param>
    /// <exception cref="LinuxException">It cannot be made, and nothing is left of it.</exception>
    public static Vif Attach(VifSpec spec, NetworkStore networks, string program, Action<string> note)
    {
        if (!HostPrivilege.HasNetAdmin) throw new LinuxException($"the interface {spec.Name} can only be made with CAP_NET_ADMIN: run it as root (sudo)");
        using RouteNetlink host = new();
        VifPlace place = VifPlaces.Find(spec, host, networks);
        // Which card the scripts of routed guests look at is eth0, unless they are told.
        if (place.Script is not null && spec.GatewayDevice is null) spec = spec with { GatewayDevice = DefaultDevice(host) };
        Vif vif = new(spec, networks, note);
        try
        {
            vif._record = vif._record with { Bridge = place.Bridge, Script = place.Script };
            vif._store.Write(vif._record);
            vif.Open(host);
            if (place.Script is not null) vif.SetUpByScript(program, host);
            else if (place.Bridge is not null) vif.Join(host, place.Bridge);
            else vif.RouteTo(host);
            vif.Mtu = (ushort)Math.Clamp(host.FindLink(vif.Name)?.Mtu ?? 0, LeastMtu, ushort.MaxValue);
            return vif;
        }
        catch
        {
            vif.Dispose();
            vif.Close(host);
            throw;
        }
    }

    /// <summary>Whether an interface of which nothing is said has a place: this process may make it, and a network is started.</summary>
    public static bool HasDefaultPlace(string networkFolder)
    {
        if (!HostPrivilege.HasNetAdmin) return false;
        using RouteNetlink host = new();
        return VifPlaces.HasDefault(host, new NetworkStore(networkFolder));
    }

    /// <summary>Takes back what interfaces of dead processes have left: rules, and what scripts did.</summary>
    public static void Sweep(NetworkStore networks, Action<string> note) => new VifStore(networks).Sweep(note);

    /// <summary>Takes everything back but the queues, which have their own owner.</summary>
    public void Dispose()
    {
        VifUndo.Run(_record, _store, _networks, _note);
        _twin?.Dispose();
        _store.Remove(Name);
        _claim.Dispose();
    }

    private static string? DefaultDevice(RouteNetlink host)
    {
        SavedRoute? route = host.SaveRoutes().Where(r => r.IsDefault && !r.IsV6 && r.LinkIndex != 0).OrderBy(r => r.Metric).FirstOrDefault();
        return host.Links().FirstOrDefault(l => l.Index == route?.LinkIndex)?.Name;
    }

    private void Open(RouteNetlink host)
    {
        // Scripts give the interface its own name themselves.
        string name = _record.Script is null ? Name : _record.Spec.PlainName;
        foreach (string wanted in _record.Spec.HasTwin ? (string[])[name, name + TwinSuffix] : [name])
        {
            if (host.FindLink(wanted) is not null) throw new LinuxException($"there is an interface {wanted} already");
        }

        for (int i = 0; i < _record.Spec.Queues; i++) _queues.Add(TapQueue.Open(name, _record.Spec.Queues > 1));
        if (_record.Spec.HasTwin) _twin = TapQueue.Open(name + TwinSuffix, isMultiQueue: false);
        foreach (string made in Interfaces(name)) Sysctl.WriteIfThere($"ipv6/conf/{made}/disable_ipv6", "1");
    }

    // A child of this process may hold the queues until it has become another program, and the interface would stay as long.
    private void Close(RouteNetlink host)
    {
        try
        {
            foreach (string name in _queues.Count == 0 ? [] : Interfaces(Name))
            {
                if (host.FindLink(name) is { } link) host.DeleteLink(link);
            }
        }
        catch (LinuxException e)
        {
            _note(e.Message);
        }

        foreach (TapQueue queue in _queues) queue.Dispose();
    }

    private string[] Interfaces(string name) => _record.Spec.HasTwin ? [name, name + TwinSuffix] : [name];

    private void SetUpByScript(string program, RouteNetlink host)
    {
        StorePrograms.Install(_networks, program);
        HookScript script = new(_record, _store.StoreOf(Name), _networks);
        script.Prepare();
        script.Run("online", isTwin: false, _note);
        if (_record.Spec.HasTwin) script.Run("add", isTwin: true, _note);
        if (host.FindLink(Name) is null) throw new LinuxException($"the script {Path.GetFileName(_record.Script!)} has left no interface {Name}");
    }

    private void Join(RouteNetlink host, string bridgeName)
    {
        LinkInfo bridge = host.FindLink(bridgeName) ?? throw new LinuxException($"there is no bridge {bridgeName} any more");
        foreach (string name in Interfaces(Name))
        {
            LinkInfo link = host.FindLink(name) ?? throw new LinuxException($"the interface {name} is gone");
            // The MTU first: joining with a smaller one would lower the bridge's.
            host.ChangeLink(link, new LinkChange { Mac = HostLinks.PortMac, HasArp = false, Mtu = _record.Spec.Mtu ?? bridge.Mtu });
            host.ChangeLink(link, new LinkChange { MasterIndex = bridge.Index });
            Guard(name, bridgeName);
            host.ChangeLink(link, new LinkChange { IsUp = true });
        }
    }

    private void RouteTo(RouteNetlink host)
    {
        VifSpec spec = _record.Spec;
        if (spec.Addresses.IsEmpty) throw new LinuxException($"{Name}: a guest that is routed to needs its address: ip=");
        if (HostFirewall.OfFamily([.. spec.Addresses], isV6: true).FirstOrDefault() is { } v6) throw new LinuxException($"{Name}: {v6}: guests are routed to by IPv4 only; on a bridge they can use IPv6");
        IPAddress own = OwnAddress(host, spec.GatewayDevice ?? DefaultDevice(host) ?? throw new LinuxException($"{Name}: there is no default route that would say which address the host has: gatewaydev="));
        foreach (string name in Interfaces(Name))
        {
            LinkInfo link = host.FindLink(name) ?? throw new LinuxException($"the interface {name} is gone");
            host.ChangeLink(link, new LinkChange { Mac = HostLinks.PortMac, Mtu = spec.Mtu });
            Guard(name, null);
            host.ChangeLink(link, new LinkChange { IsUp = true });
            host.AddAddress(new AddressInfo(link.Index, own, FullPrefixV4));
            Sysctl.Write($"ipv4/conf/{name}/proxy_arp", "1");
            foreach (string address in spec.Addresses) host.AddRoute(RouteOf(address, link.Index, own, name == Name ? Metric : TwinMetric));
        }
    }

    private static RouteInfo RouteOf(string address, int link, IPAddress own, uint metric)
    {
        string[] parts = address.Split('/');
        int prefix = parts.Length == 2 ? int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture) : FullPrefixV4;
        byte[] bytes = IPAddress.Parse(parts[0]).GetAddressBytes();
        // As in "10.0.0.5/29": the host's part of it is the guest's own affair.
        uint value = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(bytes) & new Ipv4Network(default, prefix).Mask.Value;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return new RouteInfo(new IPAddress(bytes), prefix, null, link) { Metric = metric, Source = own };
    }

    private static IPAddress OwnAddress(RouteNetlink host, string device)
    {
        LinkInfo link = host.FindLink(device) ?? throw new LinuxException($"there is no interface {device}");
        // One of a network rather than one that stands alone.
        return host.Addresses().Where(a => a.LinkIndex == link.Index && a.Address.AddressFamily == AddressFamily.InterNetwork).OrderBy(a => a.PrefixLength == FullPrefixV4).FirstOrDefault()?.Address
            ?? throw new LinuxException($"{device} has no IPv4 address, and the host needs one towards the guest: gatewaydev= names another card");
    }

    /// <summary>Sets the rules; what removes them is written down first.</summary>
    private void Guard(string name, string? bridge)
    {
        List<FirewallRules> rules = [];
        VifSpec spec = _record.Spec;
        if (!spec.Addresses.IsEmpty && MacAddress.TryParse(spec.Mac, out MacAddress mac)) rules.Add(HostFirewall.Find().Guard(name, bridge, mac, [.. spec.Addresses]));
        if (HostFirewall.Passage(name, isBridged: bridge is not null) is { } passage) rules.Add(passage);
        if (rules.Count == 0) return;
        _record = _record with { Undo = [.. _record.Undo, .. rules.Select(r => r.Undo)] };
        _store.Write(_record);
        foreach (FirewallRules rule in rules) rule.Apply.Apply();
    }
}
