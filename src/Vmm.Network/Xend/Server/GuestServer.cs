using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.User;
using Vmm.Network.User.Dns;

namespace Vmm.Network.Xend.Server;

/// <summary>Serves the guests of a network: addresses by DHCP, and names as the host finds them. What guests send can do nothing but that.</summary>
public sealed class GuestServer : IDisposable
{
    private readonly EpollLoop _loop;
    private readonly HostClock _clock;
    private readonly List<IDisposable> _parts = [];

    /// <param name="bridge">The network's bridge.</param>
    /// <param name="plan">The network.</param>
    /// <param name="networks">Where guests' interfaces with addresses of their own are written down.</param>
    /// <param name="leases">Where it is remembered who has which address.</param>
    /// <param name="note">Takes lines for the log.</param>
    /// <exception cref="LinuxException">A port is in use, or the bridge is not there.</exception>
    public GuestServer(string bridge, NetworkPlan plan, NetworkStore networks, string leases, Action<string> note)
    {
        UserNetOptions options = new() { Network = plan.Addresses, Host = plan.HostAddress, Dns = plan.HostAddress, DhcpStart = new(plan.HostAddress.Value + 1), Domain = plan.Domain };
        _loop = new EpollLoop("guest server", note);
        _clock = new HostClock(_loop, note);
        try
        {
            _parts.Add(new DhcpPort(_loop, _clock, options, bridge, new Reservations(networks, _clock, bridge), new LeaseFile(leases, _clock, note)));
            Resolvers resolvers = new(options.ResolverFile, _clock);
            _parts.Add(new NameDatagrams(_loop, _clock, resolvers, InetEndPoint.V4(plan.HostAddress.Value, Routes.DomainPort), bridge));
            _parts.Add(new NameStreams(_loop, _clock, resolvers, InetEndPoint.V4(plan.HostAddress.Value, Routes.DomainPort), bridge));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDisposable part in _parts) _loop.Invoke(part.Dispose);
        _clock.Dispose();
        _loop.Dispose();
    }

    /// <summary>A socket on the bridge.</summary>
    internal static InetSocket Open(SocketKind kind, in InetEndPoint at, string bridge, string what)
    {
        SocketStatus status = InetSocket.TryOpen(kind, ipv6: false, out InetSocket? socket);
        if (status == SocketStatus.Ok) status = socket!.BindToDevice(bridge);
        if (status == SocketStatus.Ok) status = socket!.Bind(at, reuse: kind == SocketKind.Stream);
        if (status == SocketStatus.Ok) return socket!;
        socket?.Dispose();
        string why = status == SocketStatus.AddressInUse ? "another program listens there: let it leave out this bridge, or start the network with --no-dhcp" : status.ToString();
        throw new LinuxException($"{what} cannot be served at {at} on {bridge}: {why}");
    }
}
