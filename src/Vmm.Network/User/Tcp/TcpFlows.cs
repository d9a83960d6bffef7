using System.Buffers.Binary;
using Vmm.Core.Memory;
using Vmm.Host;
using Vmm.Host.Sockets;
using Vmm.Network.User.Icmp;
using Vmm.Network.User.Packets;
using Vmm.Network.User.Sockets;

namespace Vmm.Network.User.Tcp;

/// <summary>All connections: who belongs to a segment, how new ones begin, and the timers of all.</summary>
internal sealed class TcpFlows(GuestLink link, IHostSockets sockets, Routes routes, IcmpSender icmp)
{
    private const ushort FirstDynamicPort = 49152;

    private readonly Dictionary<TcpKey, TcpFlow> _flows = [];
    private ushort _nextPort = FirstDynamicPort;
    private int _acceptedCount;

    public GuestLink Link => link;

    public ChunkPool Pool { get; } = new(TcpTuning.PoolChunks);

    public int Count => _flows.Count;

    public ulong OpenedCount { get; set; }

    public ulong RefusedCount { get; private set; }

    public ulong RetransmittedCount { get; set; }

    public ulong SentBytes { get; set; }

    public ulong ReceivedBytes { get; private set; }

    /// <summary>Takes a segment of the guest whose checksum is good.</summary>
    public void Input(int queue, in IpHeader ip, in TcpHeader tcp, ReadOnlySpan<IoVec> frame, int payloadAt, int payloadBytes)
    {
        TcpKey key = new(ip.Source, tcp.SourcePort, ip.Destination, tcp.DestinationPort);
        ReceivedBytes += (ulong)payloadBytes;
        if (_flows.TryGetValue(key, out TcpFlow? flow))
        {
            bool isNewBeginning = flow.State == TcpState.Lingering && tcp.Has(TcpFlags.SYN) && !tcp.Has(TcpFlags.ACK);
            if (!isNewBeginning)
            {
                flow.OnSegment(queue, tcp, frame, payloadAt, payloadBytes);
                return;
            }

            flow.Abort(tellGuest: false);
        }

        if (tcp.Has(TcpFlags.RST)) return;
        if (tcp.Has(TcpFlags.SYN) && !tcp.Has(TcpFlags.ACK)) Begin(queue, key, tcp);
        else if (tcp.Has(TcpFlags.ACK)) PutReset(key, tcp.Acknowledgment, null);
        else PutReset(key, 0, tcp.Sequence + (uint)payloadBytes + (tcp.Has(TcpFlags.FIN) ? 1u : 0u));
    }

    /// <summary>Somebody connected to a forwarded port.</summary>
    public void Accept(IHostStream stream, in InetEndPoint peer, IpAddress guest, ushort port)
    {
        if (_acceptedCount == TcpTuning.MostAccepted || !MakeRoom())
        {
            stream.Abort();
            return;
        }

        IpAddress remote = routes.Seen(peer, guest);
        TcpKey key = new(guest, port, remote, peer.Port);
        for (int tries = 0; _flows.ContainsKey(key) && tries < TcpTuning.MostFlows; tries++)
        {
            key = key with { RemotePort = _nextPort };
            _nextPort = _nextPort == ushort.MaxValue ? FirstDynamicPort : (ushort)(_nextPort + 1);
        }

        TcpFlow flow = new(this, key, stream);
        if (_flows.TryAdd(key, flow) && stream.Watch(flow))
        {
            _acceptedCount++;
            flow.BeginFromHost();
            return;
        }

        _flows.Remove(key);
        stream.Abort();
    }

    /// <summary>The guest's connection came to nothing.</summary>
    public void Refuse(in TcpKey key, uint acknowledgment, SocketStatus status)
    {
        RefusedCount++;
        IcmpError? error = status switch
        {
            SocketStatus.HostUnreachable or SocketStatus.TimedOut => IcmpError.HostUnreachable,
            SocketStatus.NetUnreachable => IcmpError.NetUnreachable,
            SocketStatus.Denied => IcmpError.Filtered,
            _ => null,
        };
        if (error is { } known) icmp.PutUnreachable(known, key.GuestAddress, key.RemoteAddress, key.GuestPort, key.RemotePort, acknowledgment - 1);
        else PutReset(key, 0, acknowledgment);
    }

    /// <summary>Tells the guest that there is no such connection.</summary>
    public void PutReset(in TcpKey key, uint sequence, uint? acknowledgment)
    {
        TcpFlags flags = acknowledgment is null ? TcpFlags.RST : TcpFlags.RST | TcpFlags.ACK;
        Span<byte> segment = stackalloc byte[TcpHeader.LeastBytes];
        new TcpHeader(key.RemotePort, key.GuestPort, sequence, acknowledgment ?? 0, flags, 0, 0).Write(segment);
        InternetChecksum sum = default;
        sum.AddPseudoHeader(key.RemoteAddress, key.GuestAddress, IpHeader.IPPROTO_TCP, segment.Length);
        sum.Add(segment);
        BinaryPrimitives.WriteUInt16BigEndian(segment[TcpHeader.ChecksumAt..], sum.Value);
        link.PutIp(key.RemoteAddress, key.GuestAddress, IpHeader.IPPROTO_TCP, segment);
    }

    public void Remove(TcpFlow flow)
    {
        if (!_flows.TryGetValue(flow.Key, out TcpFlow? current) || current != flow) return;
        _flows.Remove(flow.Key);
        if (flow.IsFromHost) _acceptedCount--;
    }

    public void Schedule(long deadlineNs) => link.Schedule(Math.Max(deadlineNs, link.Clock.NowNs + TcpTuning.TickNs));

    /// <summary>Looks at the timers of all.</summary>
    public void Expire(long nowNs)
    {
        long next = long.MaxValue;
        foreach (TcpFlow flow in _flows.Values)
        {
            flow.Expire(nowNs);
            if (flow.State != TcpState.Closed) next = Math.Min(next, flow.DeadlineNs);
        }

        if (next != long.MaxValue) Schedule(next);
    }

    /// <summary>Ends all, without a word to the guest.</summary>
    public void AbortAll()
    {
        foreach (TcpFlow flow in _flows.Values) flow.Abort(tellGuest: false);
    }

    private void Begin(int queue, in TcpKey key, in TcpHeader syn)
    {
        Route route = routes.Find(key.RemoteAddress, key.RemotePort, out InetEndPoint remote);
        SocketStatus status = route switch
        {
            Route.Open => SocketStatus.Ok,
            Route.Refused => SocketStatus.Refused,
            Route.Filtered => SocketStatus.Denied,
            _ => SocketStatus.HostUnreachable,
        };
        if (route == Route.None) return;
        if (status == SocketStatus.Ok && !MakeRoom()) status = SocketStatus.NoResources;
        IHostStream? stream = null;
        if (status == SocketStatus.Ok) status = sockets.Connect(remote, out stream);
        if (stream is null)
        {
            if (routes.IsNameServer(key.RemoteAddress)) routes.NameServerFailed();
            Refuse(key, syn.Sequence + 1, status);
            return;
        }

        TcpFlow flow = new(this, key, stream);
        _flows[key] = flow;
        flow.BeginFromGuest(queue, syn);
        if (stream.Watch(flow))
        {
            if (status == SocketStatus.Ok) flow.OnReady(EpollEvents.Writable);
            return;
        }

        Refuse(key, syn.Sequence + 1, SocketStatus.NoResources);
        flow.Abort(tellGuest: false);
    }

    /// <summary>Whether one more may be; those that only linger give way.</summary>
    private bool MakeRoom()
    {
        if (_flows.Count < TcpTuning.MostFlows) return true;
        foreach (TcpFlow flow in _flows.Values)
            if (flow.State == TcpState.Lingering) flow.Abort(tellGuest: false);
        return _flows.Count < TcpTuning.MostFlows;
    }
}
