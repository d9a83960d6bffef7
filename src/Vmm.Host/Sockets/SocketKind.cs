namespace Vmm.Host.Sockets;

/// <summary>What an <see cref="InetSocket"/> speaks.</summary>
public enum SocketKind : byte
{
    /// <summary>TCP.</summary>
    Stream,

    /// <summary>UDP.</summary>
    Datagram,

    /// <summary>ICMP echo without privilege; the kernel chooses the identifier (icmp(7), net.ipv4.ping_group_range).</summary>
    Echo,

    /// <summary>ICMP echo replies, of IPv4 with their IP header, for who has CAP_NET_RAW.</summary>
    EchoRaw,
}
